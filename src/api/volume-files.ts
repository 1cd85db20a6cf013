// SPDX-License-Identifier: GPL-2.0-only
/**
 * The files of a volume that is not mounted, with the calls of node:fs/promises: for programs that make, fill or look
 * into a volume without the kernel. Paths begin at the volume's root. Every change is durable when its promise
 * resolves. Extended attributes, which node:fs does not know, have the calls of the package fs-xattr.
 *
 *     const volume = await openFiles('/dev/pmem0')
 *     await volume.writeFile('/hello', 'hello, world\n')
 *     await volume.close()
 *
 * Options mean what they mean to node:fs; what is not served here is refused by its name. Permissions are not checked:
 * who can open the device may do what root may. A call on a closed volume fails with EBADF.
 */
import { constants } from 'node:fs'
import { EACCES, EINVAL, ENOENT, EROFS } from '../fs/errno.js'
import { S_IFLNK } from '../fs/mode.js'
import { type DataMode, dataModeOf, dataModes } from '../fs/overwriting.js'
import { nameOf } from '../native/file-name.js'
import { apiError, check } from './api-error.js'
import { integerOf, lengthOf, permissionsOf } from './arguments.js'
import { type BytePath, type VolumePath, bytePathOf, bytesOf, textOf } from './byte-path.js'
import {
  list,
  listTree,
  makeDirectories,
  makeDirectory,
  removeDirectory,
  removeFile,
  removeTree,
} from './directory-calls.js'
import { DirectoryEntry } from './directory-entry.js'
import { type FileData, contentsOf } from './file-data.js'
import { FileHandle } from './file-handle.js'
import { type InodeFlags, changeFlags, flagsOf } from './inode-flags.js'
import type {
  Mode,
  NameEncoding,
  OpenFlags,
  ReadPathOptions,
  ReaddirOptions,
  Time,
  WritePathOptions,
} from './call-options.js'
import { withHolder } from './holder-error.js'
import { directoryIsNoFile, invalidLinkType, invalidType, invalidValue } from './invalid-argument.js'
import { inodeOfMode } from './made-inode.js'
import { moveTo, newName } from './names.js'
import type { OpenFile } from './open-file.js'
import { openFlagsOf } from './open-flags.js'
import { type OpenedVolume, openVolume } from './opened-volume.js'
import { openFile } from './opening.js'
import {
  booleanOf,
  checkAborted,
  encodingOf,
  optionsOf,
  removalOptionsOf,
  signalOf,
  textEncodingOf,
} from './options.js'
import { type Change, applied, changeOfMode, changeOfOwner, changeOfTimes } from './owner-and-times.js'
import { Session } from './session.js'
import { BigIntVolumeStats, VolumeStats } from './volume-stats.js'
import { namesOf, removeValue, setValue, valueOf } from './xattr-calls.js'

export interface OpenFilesOptions {
  /** Nothing is changed, as with `-o ro`. */
  readonly readOnly?: boolean
  /** How writes change blocks that a file has, as with `-o data=`: in place unless said. */
  readonly data?: DataMode
}

/**
 * Opens the volume on a device, or on several.
 * @param device any device of the volume, or all of them in any order; the others are found where a mount finds them
 * @throws DeviceError, VolumeError
 */
export function openFiles(
  device: VolumePath | readonly VolumePath[],
  options: OpenFilesOptions = {},
): Promise<VolumeFiles> {
  return Promise.resolve().then(() => {
    const { readOnly, data } = optionsOf('openFiles', options, ['readOnly', 'data'])
    const named = devicesOf(device)
    return new VolumeFiles(new Session(opened(named, booleanOf(readOnly, 'readOnly'), dataOf(data))))
  })
}

function devicesOf(device: unknown): string[] {
  const named: readonly unknown[] = Array.isArray(device) ? device : [device]
  if (named.length === 0) throw invalidValue('device', 'must name a device', device)
  return named.map((path) => nameOf(bytesOf(bytePathOf(path, 'device'))))
}

function dataOf(value: unknown): DataMode {
  if (value === undefined) return 'inplace'
  if (typeof value !== 'string') throw invalidType('options.data', 'string', value)
  const mode = dataModeOf(value)
  if (mode === null) throw invalidValue('options.data', `must be one of: ${dataModes.join(', ')}`, value)
  return mode
}

function opened(devices: readonly string[], readOnly: boolean, data: DataMode): OpenedVolume {
  try {
    return openVolume(devices, readOnly, { data })
  } catch (error) {
    throw withHolder(error)
  }
}

export class VolumeFiles {
  readonly #session: Session

  /** Volumes are opened by {@link openFiles}. */
  constructor(session: Session) {
    this.#session = session
  }

  /** What was noticed on opening, in sentences for people. */
  get notices(): readonly string[] {
    return this.#session.notices
  }

  /** Closes all open files, and lets go of the device. A second time it does nothing. */
  close(): Promise<void> {
    return this.#session.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @param mode of a file that is made */
  open(path: VolumePath, flags: OpenFlags = 'r', mode: Mode = 0o666): Promise<FileHandle> {
    return this.#run('open', () => new FileHandle(this.#open(path, flags, mode)))
  }

  /** Follows symbolic links. */
  stat(path: VolumePath, options?: { bigint?: false }): Promise<VolumeStats>
  stat(path: VolumePath, options: { bigint: true }): Promise<BigIntVolumeStats>
  stat(path: VolumePath, options?: { bigint?: boolean }): Promise<VolumeStats | BigIntVolumeStats>
  stat(path: VolumePath, options?: { bigint?: boolean }): Promise<VolumeStats | BigIntVolumeStats> {
    return this.#stat('stat', path, options, true)
  }

  /** Of a symbolic link itself. */
  lstat(path: VolumePath, options?: { bigint?: false }): Promise<VolumeStats>
  lstat(path: VolumePath, options: { bigint: true }): Promise<BigIntVolumeStats>
  lstat(path: VolumePath, options?: { bigint?: boolean }): Promise<VolumeStats | BigIntVolumeStats>
  lstat(path: VolumePath, options?: { bigint?: boolean }): Promise<VolumeStats | BigIntVolumeStats> {
    return this.#stat('lstat', path, options, false)
  }

  /** @param mode F_OK, or of R_OK, W_OK and X_OK: what root may do */
  access(path: VolumePath, mode?: number | null): Promise<void> {
    return this.#run('access', () => {
      const at = bytePathOf(path)
      const wanted = integerOf(mode ?? constants.F_OK, 'mode', 0, 7)
      const stats = this.#session.walk.stat(this.#session.inode('access', at, true), at)
      if ((wanted & constants.W_OK) !== 0 && this.#session.engine.isReadOnly)
        throw apiError(-EROFS, 'access', at)
      if ((wanted & constants.X_OK) !== 0 && stats.isFile() && (stats.mode & 0o111) === 0)
        throw apiError(-EACCES, 'access', at)
    })
  }

  /** The value of an extended attribute, by its whole name, such as user.mime_type. Follows symbolic links. */
  getAttribute(path: VolumePath, attribute: string | Uint8Array): Promise<Buffer> {
    return this.#attribute('getxattr', path, (inode, at) => valueOf(this.#session, inode, attribute, at))
  }

  /**
   * Sets an extended attribute, as setxattr(2) does.
   * @param value 64 KiB at most; text is UTF-8
   * @param options `create`: EEXIST where the file has it; `replace`: ENODATA where it has not
   */
  setAttribute(
    path: VolumePath,
    attribute: string | Uint8Array,
    value: string | ArrayBufferView,
    options?: { create?: boolean; replace?: boolean },
  ): Promise<void> {
    return this.#attribute('setxattr', path, (inode, at) => {
      setValue(this.#session, inode, attribute, value, options, at)
    })
  }

  /** The flags of chattr(1), and the project. Follows symbolic links. */
  getFlags(path: VolumePath): Promise<InodeFlags> {
    return this.#attribute('ioctl', path, (inode, at) => flagsOf(this.#session, inode, at))
  }

  /** Changes the flags that are given, and no others: whole or not at all. EOPNOTSUPP for what its type cannot have. */
  setFlags(path: VolumePath, flags: Partial<InodeFlags>): Promise<void> {
    return this.#attribute('ioctl', path, (inode, at) => {
      changeFlags(this.#session, inode, flags, at)
    })
  }

  removeAttribute(path: VolumePath, attribute: string | Uint8Array): Promise<void> {
    return this.#attribute('removexattr', path, (inode, at) => {
      removeValue(this.#session, inode, attribute, at)
    })
  }

  /** The names of all extended attributes, of all namespaces, in no order that means anything. */
  listAttributes(
    path: VolumePath,
    options?: { encoding?: BufferEncoding | null } | BufferEncoding | null,
  ): Promise<string[]>
  listAttributes(path: VolumePath, options: { encoding: 'buffer' } | 'buffer'): Promise<Buffer[]>
  listAttributes(
    path: VolumePath,
    options?: { encoding?: NameEncoding } | NameEncoding,
  ): Promise<(string | Buffer)[]> {
    return this.#attribute('listxattr', path, (inode, at) => {
      const encoding = encodingOf(optionsOf('listAttributes', options, ['encoding'], 'encoding').encoding)
      return namesOf(this.#session, inode, at).map((name) => encoded(name, encoding))
    })
  }

  /**
   * Reads a whole file, from where a handle is at.
   * @throws ERR_FS_FILE_TOO_LARGE beyond 2 GiB: such a file is read in parts, by {@link open} and FileHandle.read
   */
  readFile(
    file: VolumePath | FileHandle,
    options?: { encoding?: null; flag?: OpenFlags; signal?: AbortSignal } | null,
  ): Promise<Buffer>
  readFile(
    file: VolumePath | FileHandle,
    options: { encoding: BufferEncoding; flag?: OpenFlags; signal?: AbortSignal } | BufferEncoding,
  ): Promise<string>
  readFile(
    file: VolumePath | FileHandle,
    options?: ReadPathOptions | BufferEncoding | null,
  ): Promise<Buffer | string>
  readFile(
    file: VolumePath | FileHandle,
    options?: ReadPathOptions | BufferEncoding | null,
  ): Promise<Buffer | string> {
    if (file instanceof FileHandle) return file.readFile(options)
    return this.#run('open', () => {
      const given = optionsOf('readFile', options, ['encoding', 'flag', 'signal'], 'encoding')
      const encoding = encodingOf(given.encoding)
      checkAborted(signalOf(given.signal))
      const bytes = this.#with(this.#open(file, flagOr(given.flag, 'r'), 0o666), (open) => open.readRest())
      return encoding === null ? bytes : bytes.toString(textEncodingOf(encoding) ?? undefined)
    })
  }

  /** Replaces a file's contents, or makes it; other flags add to it. Writes where a handle is at. */
  writeFile(
    file: VolumePath | FileHandle,
    data: FileData,
    options?: WritePathOptions | BufferEncoding | null,
  ): Promise<void> {
    return this.#write('writeFile', file, data, options, 'w')
  }

  /** Adds to a file's end, or makes it. */
  appendFile(
    file: VolumePath | FileHandle,
    data: FileData,
    options?: WritePathOptions | BufferEncoding | null,
  ): Promise<void> {
    return this.#write('appendFile', file, data, options, 'a')
  }

  /** @param length bytes, a whole number; below zero it is zero, and beyond the largest file EFBIG */
  truncate(path: VolumePath, length = 0): Promise<void> {
    return this.#run('open', () => {
      this.#with(this.#open(path, 'r+', 0o666), (open) => open.truncate(lengthOf(length)))
    })
  }

  /** Names in no order that means anything; with `recursive`, paths of all that is below too. */
  readdir(
    path: VolumePath,
    options?:
      | { encoding?: BufferEncoding | null; withFileTypes?: false; recursive?: boolean }
      | BufferEncoding
      | null,
  ): Promise<string[]>
  readdir(
    path: VolumePath,
    options: { encoding: 'buffer'; withFileTypes?: false; recursive?: boolean } | 'buffer',
  ): Promise<Buffer[]>
  readdir(
    path: VolumePath,
    options: { encoding?: BufferEncoding | null; withFileTypes: true; recursive?: boolean },
  ): Promise<DirectoryEntry[]>
  readdir(
    path: VolumePath,
    options: { encoding: 'buffer'; withFileTypes: true; recursive?: boolean },
  ): Promise<DirectoryEntry<Buffer>[]>
  readdir(
    path: VolumePath,
    options?: ReaddirOptions | NameEncoding,
  ): Promise<(string | Buffer)[] | DirectoryEntry<string | Buffer>[]> {
    return this.#run('scandir', () => {
      const given = optionsOf('readdir', options, ['encoding', 'withFileTypes', 'recursive'], 'encoding')
      const encoding = encodingOf(given.encoding)
      const withFileTypes = booleanOf(given.withFileTypes, 'withFileTypes')
      const recursive = booleanOf(given.recursive, 'recursive')
      const at = bytePathOf(path)
      const found = recursive
        ? listTree(this.#session, at)
        : list(this.#session, at).map((entry) => ({ ...entry, parent: at, relative: entry.name }))
      if (!withFileTypes) return found.map(({ relative }) => encoded(relative, encoding))
      return found.map(
        ({ name, parent, type }) => new DirectoryEntry(encoded(name, encoding), textOf(parent), type),
      )
    })
  }

  /** @returns with `recursive`, the first directory that was made, if any */
  mkdir(path: VolumePath, options?: { mode?: Mode; recursive?: false } | Mode | null): Promise<undefined>
  mkdir(
    path: VolumePath,
    options?: { mode?: Mode; recursive?: boolean } | Mode | null,
  ): Promise<string | undefined>
  mkdir(
    path: VolumePath,
    options?: { mode?: Mode; recursive?: boolean } | Mode | null,
  ): Promise<string | undefined> {
    return this.#run('mkdir', () => {
      const given = optionsOf('mkdir', options, ['mode', 'recursive'], 'mode')
      const at = bytePathOf(path)
      const permissions = permissionsOf(given.mode, 0o777)
      if (!booleanOf(given.recursive, 'recursive')) {
        makeDirectory(this.#session, at, permissions)
        return undefined
      }
      const first = makeDirectories(this.#session, at, permissions)
      return first === null ? undefined : textOf(first)
    })
  }

  /** @param type has no meaning but on Windows, and may be 'file', 'dir' or 'junction' */
  symlink(target: VolumePath, path: VolumePath, type?: string | null): Promise<void> {
    return this.#run('symlink', () => {
      const text = bytePathOf(target, 'target')
      const at = bytePathOf(path)
      if (typeof type === 'string' && !['file', 'dir', 'junction'].includes(type)) throw invalidLinkType(type)
      const { engine, buffer } = this.#session
      const bytes = bytesOf(text)
      const { parent, name } = newName(this.#session, 'symlink', text, at)
      // What is too long is refused by its length alone.
      buffer.bytes.set(bytes.subarray(0, buffer.bytes.length))
      const made = engine.symlink(parent, name, inodeOfMode(S_IFLNK | 0o777), buffer, 0, bytes.length)
      this.#session.take(made, 'symlink', text, at)
    })
  }

  readlink(
    path: VolumePath,
    options?: { encoding?: BufferEncoding | null } | BufferEncoding | null,
  ): Promise<string>
  readlink(path: VolumePath, options: { encoding: 'buffer' } | 'buffer'): Promise<Buffer>
  readlink(path: VolumePath, options?: { encoding?: NameEncoding } | NameEncoding): Promise<string | Buffer> {
    return this.#run('readlink', () => {
      const encoding = encodingOf(optionsOf('readlink', options, ['encoding'], 'encoding').encoding)
      const at = bytePathOf(path)
      const inode = this.#session.inode('readlink', at, false)
      if (!this.#session.walk.stat(inode, at).isSymbolicLink()) throw apiError(-EINVAL, 'readlink', at)
      return encoded(this.#session.walk.readlink(inode, at), encoding)
    })
  }

  /** Gives a file one more name; of a symbolic link, to the link itself. */
  link(existing: VolumePath, path: VolumePath): Promise<void> {
    return this.#run('link', () => {
      const from = bytePathOf(existing, 'existingPath')
      const to = bytePathOf(path, 'newPath')
      const inode = this.#session.walk.find(from, false)
      check(inode, 'link', from, to)
      const { parent, name } = newName(this.#session, 'link', from, to)
      check(this.#session.engine.link(inode, parent, name), 'link', from, to)
      this.#session.engine.forget(inode, 1)
    })
  }

  /** A file that is open lives on until it is closed. */
  unlink(path: VolumePath): Promise<void> {
    return this.#run('unlink', () => removeFile(this.#session, bytePathOf(path)))
  }

  rmdir(path: VolumePath, options?: { maxRetries?: number; retryDelay?: number }): Promise<void> {
    return this.#run('rmdir', () => {
      const given = removalOptionsOf('rmdir', options, ['recursive'])
      if (booleanOf(given.recursive, 'recursive'))
        throw invalidValue('options.recursive', 'is not supported by rmdir, but by rm', true)
      removeDirectory(this.#session, bytePathOf(path))
    })
  }

  /**
   * Removes a file, or (`recursive`) a directory with all that is below it; `force` has nothing against there being
   * none.
   */
  rm(
    path: VolumePath,
    options?: { force?: boolean; recursive?: boolean; maxRetries?: number; retryDelay?: number },
  ): Promise<void> {
    return this.#run('rm', () => {
      const given = removalOptionsOf('rm', options, ['force', 'recursive'])
      const force = booleanOf(given.force, 'force')
      const recursive = booleanOf(given.recursive, 'recursive')
      const at = bytePathOf(path)
      const inode = this.#session.walk.find(at, false)
      if (force && inode === -ENOENT) return
      check(inode, 'lstat', at)
      const isDirectory = this.#session.walk.stat(inode, at).isDirectory()
      if (isDirectory && !recursive) throw directoryIsNoFile(textOf(at))
      if (isDirectory) removeTree(this.#session, at)
      else removeFile(this.#session, at)
    })
  }

  /** Replaces what is there, as rename(2) does. */
  rename(from: VolumePath, to: VolumePath): Promise<void> {
    return this.#run('rename', () => {
      moveTo(this.#session, bytePathOf(from, 'oldPath'), bytePathOf(to, 'newPath'))
    })
  }

  chmod(path: VolumePath, mode: Mode): Promise<void> {
    return this.#change('chmod', path, true, () => changeOfMode(mode))
  }

  /** @param uid, gid -1 leaves the one or the other as it is */
  chown(path: VolumePath, uid: number, gid: number): Promise<void> {
    return this.#change('chown', path, true, () => changeOfOwner(uid, gid))
  }

  /** Of a symbolic link itself. */
  lchown(path: VolumePath, uid: number, gid: number): Promise<void> {
    return this.#change('lchown', path, false, () => changeOfOwner(uid, gid))
  }

  utimes(path: VolumePath, atime: Time, mtime: Time): Promise<void> {
    return this.#change('utime', path, true, () => changeOfTimes(atime, mtime))
  }

  /** Of a symbolic link itself. */
  lutimes(path: VolumePath, atime: Time, mtime: Time): Promise<void> {
    return this.#change('lutime', path, false, () => changeOfTimes(atime, mtime))
  }

  #run<Result>(syscall: string, call: () => Result): Promise<Result> {
    return this.#session.run(syscall, call)
  }

  #open(path: VolumePath, flags: unknown, mode: unknown): OpenFile {
    const at = bytePathOf(path)
    return openFile(this.#session, at, openFlagsOf(flags), permissionsOf(mode, 0o666))
  }

  #with<Result>(file: OpenFile, call: (file: OpenFile) => Result): Result {
    try {
      return call(file)
    } finally {
      file.close()
    }
  }

  async #write(
    call: string,
    file: VolumePath | FileHandle,
    data: FileData,
    options: unknown,
    usualFlag: OpenFlags,
  ): Promise<void> {
    const given = optionsOf(call, options, ['encoding', 'mode', 'flag', 'flush', 'signal'], 'encoding')
    if (file instanceof FileHandle) return file.writeFile(data, options as WritePathOptions)
    booleanOf(given.flush ?? undefined, 'flush')
    const encoding = encodingOf(given.encoding)
    const signal = signalOf(given.signal)
    const contents = contentsOf(data, typeof data === 'string' ? textEncodingOf(encoding) : null)
    const open = (): OpenFile => {
      checkAborted(signal)
      return this.#open(file, flagOr(given.flag, usualFlag), given.mode)
    }
    if (contents instanceof Uint8Array)
      return this.#run('open', () => this.#with(open(), (opened) => opened.writeAll(contents)))
    const handle = await this.#run('open', () => new FileHandle(open()))
    try {
      await handle.writeParts(contents, textEncodingOf(encoding), signal)
    } finally {
      await handle.close()
    }
  }

  #stat(
    syscall: string,
    path: VolumePath,
    options: unknown,
    followLast: boolean,
  ): Promise<VolumeStats | BigIntVolumeStats> {
    return this.#run(syscall, () => {
      const { bigint } = optionsOf(syscall, options, ['bigint'])
      const at = bytePathOf(path)
      const inode = this.#session.inode(syscall, at, followLast)
      const words = this.#session.walk.attributes(inode, syscall, at)
      return booleanOf(bigint, 'bigint') ? new BigIntVolumeStats(inode, words) : new VolumeStats(inode, words)
    })
  }

  #attribute<Result>(
    syscall: string,
    path: VolumePath,
    call: (inode: number, at: BytePath) => Result,
  ): Promise<Result> {
    return this.#run(syscall, () => {
      const at = bytePathOf(path)
      return call(this.#session.inode(syscall, at, true), at)
    })
  }

  #change(syscall: string, path: VolumePath, followLast: boolean, changeOf: () => Change): Promise<void> {
    return this.#run(syscall, () => {
      const at = bytePathOf(path)
      const change = changeOf()
      const inode = this.#session.inode(syscall, at, followLast)
      check(applied(this.#session.engine, inode, change), syscall, at)
    })
  }
}

function encoded(name: BytePath, encoding: BufferEncoding | 'buffer' | null): string | Buffer {
  const bytes = bytesOf(name)
  return encoding === 'buffer' ? bytes : bytes.toString(encoding ?? 'utf8')
}

/** As node:fs has it, '' and 0 are no flags either. */
function flagOr(flag: unknown, usual: OpenFlags): unknown {
  return flag === '' || flag === 0 ? usual : (flag ?? usual)
}
