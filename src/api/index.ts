// SPDX-License-Identifier: GPL-2.0-only
/**
 * What programs import as `pmfs2`: the files of a volume that is not mounted, with the calls of node:fs/promises. What is
 * not named here is the program's own and may change with any version.
 */
export { openFiles, type VolumeFiles } from './volume-files.js'
export type { VolumeStats } from './volume-stats.js'
export { DeviceError } from '../pmem/device-error.js'
export { VolumeError } from '../fs/volume-error.js'
