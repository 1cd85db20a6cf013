// SPDX-License-Identifier: GPL-2.0-only
/**
 * System calls as a test wants to read them: `await system.rename(a, b, RENAME_NOREPLACE)`.
 *
 * Each System is a process of its own, so that two of them are two processes to the kernel (locks, pipes) and
 * one can become another user for good. Calls resolve with the value or reject with a SystemError. Paths are
 * strings or, for names that are no UTF-8, Buffers. Times are nanoseconds since 1970.
 */
import { constants } from 'node:fs'
import { AgentChannel, SystemError, type Argument } from './agent-channel.js'

export const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY
export const RENAME_NOREPLACE = 1
export const RENAME_EXCHANGE = 2
export const RENAME_WHITEOUT = 4
export const O_PATH = 0o10000000
export const AT_SYMLINK_NOFOLLOW = 0x100
export const AT_SYMLINK_FOLLOW = 0x400
export const SEEK_SET = 0
export const SEEK_CUR = 1
export const SEEK_END = 2
export const SEEK_DATA = 3
export const SEEK_HOLE = 4
export const FALLOC_FL_KEEP_SIZE = 1
export const FALLOC_FL_PUNCH_HOLE = 2
export const FALLOC_FL_ZERO_RANGE = 16
export const LOCK_SH = 1
export const LOCK_EX = 2
export const LOCK_NB = 4
export const LOCK_UN = 8
export const F_SETLK = 6
export const F_OFD_SETLK = 37
export const F_RDLCK = 0
export const F_WRLCK = 1
export const F_UNLCK = 2

/** d_type of readdir(3). */
export const directoryEntryType = {
  fifo: 1,
  character: 2,
  directory: 4,
  block: 6,
  file: 8,
  link: 10,
  socket: 12,
}

/** For utimensat(2): set to the time of the call, or leave alone. */
export const NOW = 'now'
export const OMIT = 'omit'
export type Time = bigint | typeof NOW | typeof OMIT

export type Path = string | Buffer
export type Directory = bigint

export interface Stat {
  readonly ino: bigint
  readonly dev: number
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  /** Of 512 bytes. */
  readonly blocks: number
  /** Major and minor number. */
  readonly rdev: readonly [number, number]
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
}

/** Bits of statx(2) for each attribute; the device number has none, and comes with the type. */
export const statxField = {
  rdev: 0x1,
  mode: 0x2,
  nlink: 0x4,
  uid: 0x8,
  gid: 0x10,
  atime: 0x20,
  mtime: 0x40,
  ctime: 0x80,
  size: 0x200,
  blocks: 0x400,
  btime: 0x800,
} as const
const statxAll = 0xfff

export type StatxField = keyof typeof statxField
/** Times as seconds.nanoseconds, the device number as major:minor; a time of birth that is not told is ''. */
export type Statx = Readonly<Record<StatxField, number | string>>

export interface StatFs {
  readonly bsize: number
  readonly frsize: number
  readonly blocks: number
  readonly bfree: number
  readonly bavail: number
  readonly files: number
  readonly ffree: number
  readonly namemax: number
}

export interface Entry {
  readonly name: Buffer
  readonly ino: bigint
  readonly type: number
}

export interface Identity {
  readonly uid: number
  readonly gid: number
  readonly groups: readonly number[]
}

const NANOSECONDS = 1_000_000_000n

function timePair(time: Time): readonly [number, number] {
  if (time === NOW) return [0, 0x3fffffff]
  if (time === OMIT) return [0, 0x3ffffffe]
  const nanoseconds = ((time % NANOSECONDS) + NANOSECONDS) % NANOSECONDS
  return [Number((time - nanoseconds) / NANOSECONDS), Number(nanoseconds)]
}

function bytes(path: Path): Buffer {
  return Buffer.from(path)
}

/** The errno's name if the call was refused, 'OK' if it was not; anything else is the test's failure. */
export async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'OK'
  } catch (error) {
    if (error instanceof SystemError) return error.code
    throw error
  }
}

export class System {
  readonly #agent = new AgentChannel()

  /** A process of its own, as `identity` if one is given, else as the test's user. */
  static async start(identity?: Identity): Promise<System> {
    const system = new System()
    if (identity !== undefined) await system.#call('become', identity.uid, identity.gid, identity.groups)
    return system
  }

  /** A process that is root of a user namespace: ids from `first` on are there those from 0 on. */
  static async startContained(first: number, count: number): Promise<System> {
    const system = new System()
    await system.#call('contain', first, count)
    return system
  }

  /** Ends the process: what it has open is closed, its locks and mappings go. */
  stop(): Promise<void> {
    return this.#agent.stop()
  }
  /** Resolves with the name of the signal that ended the process. */
  get ended(): Promise<string> {
    return this.#agent.ended
  }

  #call(call: string, ...args: readonly Argument[]): Promise<unknown> {
    return this.#agent.call(call, ...args)
  }
  async #perform(call: string, ...args: readonly Argument[]): Promise<void> {
    await this.#call(call, ...args)
  }
  #number(call: string, ...args: readonly Argument[]): Promise<number> {
    return this.#call(call, ...args) as Promise<number>
  }
  #bytes(call: string, ...args: readonly Argument[]): Promise<Buffer> {
    return this.#call(call, ...args) as Promise<Buffer>
  }

  getpid = () => this.#number('getpid')
  chdir = (path: Path) => this.#perform('chdir', bytes(path))
  umask = (mask: number) => this.#number('umask', mask)

  open = (path: Path, flags: number, mode = 0o666) => this.#number('open', bytes(path), flags, mode)
  close = (fd: number) => this.#perform('close', fd)
  read = (fd: number, lengthBytes: number) => this.#bytes('read', fd, lengthBytes)
  write = (fd: number, data: Buffer) => this.#number('write', fd, data)
  pread = (fd: number, lengthBytes: number, offset: number) => this.#bytes('pread', fd, lengthBytes, offset)
  pwrite = (fd: number, data: Buffer, offset: number) => this.#number('pwrite', fd, data, offset)
  lseek = (fd: number, offset: number, whence: number) => this.#number('lseek', fd, offset, whence)
  /** Whether the first bytes of a file, whole pages, lie in the page cache. */
  isCached = (fd: number, lengthBytes: number) => this.#call('isCached', fd, lengthBytes) as Promise<boolean>
  directRead = (fd: number, lengthBytes: number, offset: number) =>
    this.#bytes('directRead', fd, lengthBytes, offset)
  directWrite = (fd: number, data: Buffer, offset: number) => this.#number('directWrite', fd, data, offset)
  /** From the start of one file to where the other descriptor stands. */
  sendfile = (to: number, from: number, lengthBytes: number) =>
    this.#number('sendfile', to, from, 0, lengthBytes)
  /** From where one descriptor stands to where the other does. */
  copyFileRange = (from: number, to: number, lengthBytes: number) =>
    this.#number('copy_file_range', from, to, lengthBytes)
  truncate = (path: Path, sizeBytes: number) => this.#perform('truncate', bytes(path), sizeBytes)
  ftruncate = (fd: number, sizeBytes: number) => this.#perform('ftruncate', fd, sizeBytes)
  fallocate = (fd: number, mode: number, offset: number, lengthBytes: number) =>
    this.#perform('fallocate', fd, mode, offset, lengthBytes)
  /** Executes a program, by path or by a descriptor. Resolves with what it printed; ENOEXEC where it fails. */
  run = (program: Path | number, ...args: readonly string[]) =>
    this.#call(
      'run',
      typeof program === 'number' ? program : bytes(program),
      ...args.map((text) => Buffer.from(text)),
    ) as Promise<string>
  fsync = (fd: number) => this.#perform('fsync', fd)
  fdatasync = (fd: number) => this.#perform('fdatasync', fd)
  syncfs = (fd: number) => this.#perform('syncfs', fd)
  syncFileRange = (fd: number, offset: number, lengthBytes: number) =>
    this.#perform('syncFileRange', fd, offset, lengthBytes)

  mkdir = (path: Path, mode = 0o777) => this.#perform('mkdir', bytes(path), mode)
  rmdir = (path: Path) => this.#perform('rmdir', bytes(path))
  mkfifo = (path: Path, mode = 0o666) => this.#perform('mkfifo', bytes(path), mode)
  /** mknod(2); `mode` holds the type. */
  mknod = (path: Path, mode: number, major = 0, minor = 0) =>
    this.#perform('mknod', bytes(path), mode, major, minor)
  unlink = (path: Path) => this.#perform('unlink', bytes(path))
  link = (from: Path, to: Path, flags = 0) => this.#perform('link', bytes(from), bytes(to), flags)
  symlink = (target: Path, path: Path) => this.#perform('symlink', bytes(target), bytes(path))
  readlink = (path: Path) => this.#bytes('readlink', bytes(path))
  /** rename(2), or renameat2(2) with flags. */
  rename = (from: Path, to: Path, flags = 0) =>
    flags === 0
      ? this.#perform('rename', bytes(from), bytes(to))
      : this.#perform('renameat2', bytes(from), bytes(to), flags)

  stat = (path: Path) => this.#call('stat', bytes(path)) as Promise<Stat>
  lstat = (path: Path) => this.#call('lstat', bytes(path)) as Promise<Stat>
  fstat = (fd: number) => this.#call('fstat', fd) as Promise<Stat>
  birthTime = (path: Path) => this.#call('birthTime', bytes(path)) as Promise<bigint>
  /** One attribute or all: as the kernel has them, or as it has to ask the file system for them. */
  statx = (fd: number, field: StatxField | 'all', isForced: boolean) =>
    this.#call(
      'statx',
      fd,
      field === 'all' ? statxAll : statxField[field],
      isForced ? 0x2000 : 0,
    ) as Promise<Statx>
  /** The mode, by a statx(2) that asks for nothing else. */
  modeAlone = (path: Path) => this.#number('modeAlone', bytes(path))
  statfs = (path: Path) => this.#call('statfs', bytes(path)) as Promise<StatFs>
  access = (path: Path, mode: number) => this.#call('access', bytes(path), mode) as Promise<boolean>
  chmod = (path: Path, mode: number) => this.#perform('chmod', bytes(path), mode)
  fchmod = (fd: number, mode: number) => this.#perform('fchmod', fd, mode)
  chown = (path: Path, uid: number, gid: number) => this.#perform('chown', bytes(path), uid, gid)
  lchown = (path: Path, uid: number, gid: number) => this.#perform('lchown', bytes(path), uid, gid)
  fchown = (fd: number, uid: number, gid: number) => this.#perform('fchown', fd, uid, gid)
  /** utimensat(2) */
  setTimes = (path: Path, atime: Time, mtime: Time, flags = 0) =>
    this.#perform('setTimes', bytes(path), [timePair(atime), timePair(mtime)], flags)
  /** @param flags XATTR_CREATE (1), XATTR_REPLACE (2) */
  setxattr = (path: Path, name: string, value: Buffer, flags = 0) =>
    this.#perform('setxattr', bytes(path), name, value, flags)
  getxattr = (path: Path, name: string) => this.#bytes('getxattr', bytes(path), name)
  /** getxattr(2) into so many bytes; 0 asks for the length. @returns what the call returns */
  getxattrInto = (path: Path, name: string, size: number) =>
    this.#number('getxattrInto', bytes(path), name, size)
  listxattrInto = (path: Path, size: number) => this.#number('listxattrInto', bytes(path), size)
  lsetxattr = (path: Path, name: string, value: Buffer) =>
    this.#perform('lsetxattr', bytes(path), name, value)
  lgetxattr = (path: Path, name: string) => this.#bytes('lgetxattr', bytes(path), name)
  llistxattr = (path: Path) => this.#call('llistxattr', bytes(path)) as Promise<readonly string[]>
  listxattr = (path: Path) => this.#call('listxattr', bytes(path)) as Promise<readonly string[]>
  removexattr = (path: Path, name: string) => this.#perform('removexattr', bytes(path), name)
  lremovexattr = (path: Path, name: string) => this.#perform('lremovexattr', bytes(path), name)

  /** ioctl(2) on what lies under a path. Resolves with what the bytes that were passed have become. */
  ioctl = (path: Path, number: number, data: Buffer) => this.#bytes('ioctl', bytes(path), number, data)

  opendir = (path: Path) => this.#call('opendir', bytes(path)) as Promise<Directory>
  closedir = (directory: Directory) => this.#perform('closedir', directory)
  telldir = (directory: Directory) => this.#call('telldir', directory) as Promise<bigint>
  seekdir = (directory: Directory, position: bigint) => this.#perform('seekdir', directory, position)
  rewinddir = (directory: Directory) => this.#perform('rewinddir', directory)
  /** The next entries, `limit` at most, `.` and `..` among them. */
  readdir = async (directory: Directory, limit = Number.MAX_SAFE_INTEGER): Promise<Entry[]> => {
    const entries = (await this.#call('readdir', directory, limit)) as [Buffer, bigint, number][]
    return entries.map(([name, ino, type]) => ({ name, ino, type }))
  }

  /** mmap(2), MAP_SHARED, readable and writable. Resolves with a handle. */
  map = (fd: number, lengthBytes: number, offset = 0) => this.#number('map', fd, lengthBytes, offset)
  mapRead = (handle: number, offset: number, lengthBytes: number) =>
    this.#bytes('mapRead', handle, offset, lengthBytes)
  mapWrite = (handle: number, offset: number, data: Buffer) => this.#perform('mapWrite', handle, offset, data)
  mapSync = (handle: number) => this.#perform('mapSync', handle)
  unmap = (handle: number) => this.#perform('unmap', handle)

  flock = (fd: number, operation: number) => this.#perform('flock', fd, operation)
  /** fcntl(2) with F_SETLK or F_OFD_SETLK, which do not wait. */
  setLock = (fd: number, command: number, kind: number, start: number, lengthBytes: number) =>
    this.#perform('setLock', fd, command, kind, start, lengthBytes)
  /** F_GETLK: the first lock in the way, as kind, start, length and process. */
  lockOwner = (fd: number, kind: number, start: number, lengthBytes: number) =>
    this.#call('lockOwner', fd, kind, start, lengthBytes) as Promise<[number, number, number, number]>

  listen = (path: Path) => this.#number('listen', bytes(path))
  connect = (path: Path) => this.#number('connect', bytes(path))
  accept = (fd: number) => this.#number('accept', fd)

  /** Creates or empties a file and writes `data` to it. */
  async writeFile(path: Path, data: Buffer | string, mode = 0o666): Promise<void> {
    const fd = await this.open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, mode)
    const wanted = Buffer.from(data)
    let written: number
    try {
      written = await this.write(fd, wanted)
    } finally {
      await this.close(fd)
    }
    if (written !== wanted.length) throw new Error(`wrote ${written} bytes of ${wanted.length}`)
  }

  async readFile(path: Path): Promise<Buffer> {
    const fd = await this.open(path, constants.O_RDONLY)
    try {
      const { size } = await this.fstat(fd)
      return await this.read(fd, size + 1)
    } finally {
      await this.close(fd)
    }
  }

  /** The entries of a directory without `.` and `..`. */
  async list(path: Path): Promise<Entry[]> {
    const directory = await this.opendir(path)
    const entries = await this.readdir(directory)
    await this.closedir(directory)
    return entries.filter(({ name }) => !['.', '..'].includes(name.toString('latin1')))
  }

  /** Their names, sorted. */
  async names(path: Path): Promise<string[]> {
    return (await this.list(path)).map(({ name }) => name.toString()).sort()
  }

  /** Removes a directory and all below it; every removal has to succeed. */
  removeTree = (path: Path) => this.#perform('removeTree', bytes(path))

  /** mknod(2) for each of many names in a directory, the same on all of them; all have to succeed. */
  mknodEach = (directory: Path, names: readonly string[], mode: number) =>
    this.#perform('onEach', 'mknod', bytes(directory), names, mode, 0, 0)
  unlinkEach = (directory: Path, names: readonly string[]) =>
    this.#perform('onEach', 'unlink', bytes(directory), names)
}
