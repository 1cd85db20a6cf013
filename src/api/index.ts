// SPDX-License-Identifier: GPL-2.0-only
/**
 * What programs import as `pmfs2`: the files of a volume that is not mounted, with the calls of node:fs/promises. What
 * is not named here is the program's own and may change with any version.
 */
export { openFiles, type OpenFilesOptions, type VolumeFiles } from './volume-files.js'
export type { VolumePath } from './byte-path.js'
export type {
  Mode,
  NameEncoding,
  OpenFlags,
  Position,
  ReadFileOptions,
  ReadOptions,
  ReadPathOptions,
  ReaddirOptions,
  Time,
  WriteFileOptions,
  WriteOptions,
  WritePathOptions,
} from './call-options.js'
export type { DirectoryEntry } from './directory-entry.js'
export type { FileData } from './file-data.js'
export type { FileHandle } from './file-handle.js'
export type { InodeFlags } from './inode-flags.js'
export type { BigIntVolumeStats, VolumeStats } from './volume-stats.js'
export type { DataMode } from '../fs/overwriting.js'
export { DeviceError } from '../pmem/device-error.js'
export { VolumeError } from '../fs/volume-error.js'
