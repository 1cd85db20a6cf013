// SPDX-License-Identifier: GPL-2.0-only
/**
 * The operations of libfuse, answered from the files of a volume. Each answers what its call returns, or a negative
 * errno.
 *
 * Some operations are left out on purpose. fgetattr: the package calls getattr in its place, as libfuse does without
 * it. fsync, fsyncdir and flush: libfuse answers ENOSYS, by which the kernel knows that there is nothing to do,
 * because every change is durable when it is answered. access: the kernel checks permissions.
 */
import debug from 'debug'
import { EBADF, EIO, ERANGE } from '../fs/errno.js'
import { S_IFDIR } from '../fs/mode.js'
import { longestNameBytes } from '../../layout/directory.js'
import { blockBytes } from '../../layout/geometry.js'
import { apiError, check } from '../api/api-error.js'
import { shownText } from '../check/name-text.js'
import type { OpenFile } from '../api/open-file.js'
import type { Session } from '../api/session.js'
import * as fuse from '../fuse/protocol.js'
import type { Statistics } from '../fuse/statistics.js'
import { errnoName } from '../fuse/trace-text.js'
import type { Operations, Reply, RequestRecord } from './library.js'
import type { PathFiles } from './path-files.js'
import type { ProcessMemory } from './process-memory.js'
import { flagsOf } from './request-flags.js'
import { timesOf } from './request-times.js'

const trace = debug('pmfs2:fuse-native')

const largestCount = 2 ** 32 - 1

export interface OperationParts {
  readonly session: Session
  readonly files: PathFiles
  readonly statistics: Statistics
  /** The record of the operation that is just being called. */
  readonly record: () => RequestRecord
  readonly memory: ProcessMemory
  /** Serve extended attributes. */
  readonly xattrs: boolean
  /** Called before the first request is served. */
  readonly begin: () => void
  /** A call failed in its midst: nothing is served from now on. */
  readonly fail: (error: unknown) => void
}

export class PathOperations {
  readonly #parts: OperationParts
  /** By the numbers that libfuse has for them, which begin at 1. */
  readonly #open = new Map<number, OpenFile>()
  /** Numbers that were used and are free. */
  readonly #free: number[] = []
  #isOver = false

  constructor(parts: OperationParts) {
    this.#parts = parts
  }

  /** From now on every request is answered EIO. */
  end(): void {
    this.#isOver = true
  }

  get all(): Operations {
    return {
      init: (reply: Reply) => {
        this.#parts.begin()
        reply(0)
      },
      ...this.#attributes,
      ...this.#names,
      ...this.#contents,
      ...(this.#parts.xattrs ? this.#changesOfXattrs : {}),
    }
  }

  /** Answers getxattr(2) for a buffer of a length; 0 asks for the length of the value. */
  getxattr(path: string, name: string, into: Uint8Array, reply: Reply): void {
    this.#answer('getxattr', fuse.FUSE_GETXATTR, path, reply, () =>
      copied(this.#parts.files.attribute(path, name), into),
    )
  }

  listxattr(path: string, into: Uint8Array, reply: Reply): void {
    this.#answer('listxattr', fuse.FUSE_LISTXATTR, path, reply, () =>
      copied(this.#parts.files.attributeNames(path), into),
    )
  }

  get #attributes(): Operations {
    const { files } = this.#parts
    return {
      getattr: (path: string, reply: Reply) =>
        this.#answerWith('getattr', fuse.FUSE_GETATTR, path, reply, () => {
          const stats = files.stat(path)
          const { mode, uid, gid, size, nlink, ino, rdev, blksize, blocks } = stats
          const [atime, mtime, ctime] = [stats.atimeMs, stats.mtimeMs, stats.ctimeMs].map(Math.floor)
          return { mode, uid, gid, size, nlink, ino, rdev, blksize, blocks, atime, mtime, ctime, dev: 0 }
        }),
      statfs: (path: string, reply: Reply) =>
        this.#answerWith('statfs', fuse.FUSE_STATFS, path, reply, () => {
          const { blocks, freeBlocks, usedInodes, freeInodes } = files.usage()
          // The package carries 32 bits of each count.
          let unit = 1
          while (blocks / unit > largestCount) unit *= 2
          const free = Math.floor(freeBlocks / unit)
          return {
            bsize: blockBytes,
            frsize: blockBytes * unit,
            blocks: Math.floor(blocks / unit),
            bfree: free,
            bavail: free,
            files: Math.min(largestCount, usedInodes + freeInodes),
            ffree: Math.min(largestCount, freeInodes),
            favail: Math.min(largestCount, freeInodes),
            namemax: longestNameBytes,
          }
        }),
      chmod: (path: string, mode: number, reply: Reply) =>
        this.#change('chmod', fuse.FUSE_SETATTR, path, reply, () => files.chmod(path, mode)),
      chown: (path: string, uid: number, gid: number, reply: Reply) =>
        this.#change('chown', fuse.FUSE_SETATTR, path, reply, () => files.chown(path, uid, gid)),
      truncate: (path: string, length: number, reply: Reply) =>
        this.#change('truncate', fuse.FUSE_SETATTR, path, reply, () => files.truncate(path, length)),
      ftruncate: (path: string, handle: number, length: number, reply: Reply) =>
        this.#change('ftruncate', fuse.FUSE_SETATTR, path, reply, () => this.#file(handle).truncate(length)),
      utimens: (path: string, atime: number, _mtime: number, reply: Reply) => {
        // It is this operation's only now.
        const times = timesOf(this.#parts.record(), atime)
        if (typeof times === 'number') reply(times)
        else this.#change('utimens', fuse.FUSE_SETATTR, path, reply, () => files.utimens(path, times))
      },
    }
  }

  get #names(): Operations {
    const { files } = this.#parts
    return {
      readdir: (path: string, reply: Reply) => {
        let stats: readonly unknown[] = []
        this.#answerWith(
          'readdir',
          fuse.FUSE_READDIR,
          path,
          (result, names) => reply(result, names, stats),
          () => {
            const listed = files.list(path)
            // By these, names have types and inode numbers.
            stats = listed.map(({ inode, type }) => ({
              ino: inode,
              mode: type,
              atime: 0,
              mtime: 0,
              ctime: 0,
            }))
            return listed.map(({ name }) => name)
          },
        )
      },
      readlink: (path: string, reply: Reply) =>
        this.#answerWith('readlink', fuse.FUSE_READLINK, path, reply, () => files.readlink(path)),
      mknod: (path: string, mode: number, device: number, reply: Reply) =>
        this.#change('mknod', fuse.FUSE_MKNOD, path, reply, () => files.make('mknod', path, mode, device)),
      mkdir: (path: string, mode: number, reply: Reply) =>
        this.#change('mkdir', fuse.FUSE_MKDIR, path, reply, () =>
          files.make('mkdir', path, S_IFDIR | (mode & 0o7777)),
        ),
      symlink: (target: string, path: string, reply: Reply) =>
        this.#change('symlink', fuse.FUSE_SYMLINK, path, reply, () => files.symlink(target, path)),
      link: (from: string, to: string, reply: Reply) =>
        this.#change('link', fuse.FUSE_LINK, to, reply, () => files.link(from, to)),
      unlink: (path: string, reply: Reply) =>
        this.#change('unlink', fuse.FUSE_UNLINK, path, reply, () => files.unlink(path)),
      rmdir: (path: string, reply: Reply) =>
        this.#change('rmdir', fuse.FUSE_RMDIR, path, reply, () => files.rmdir(path)),
      rename: (from: string, to: string, reply: Reply) =>
        this.#change('rename', fuse.FUSE_RENAME, from, reply, () => files.rename(from, to)),
    }
  }

  get #contents(): Operations {
    const { files, statistics } = this.#parts
    return {
      // `create` would not say whether a new file is opened with O_APPEND: the kernel sends MKNOD and OPEN instead.
      open: (path: string, flags: number, reply: Reply) =>
        this.#answerWith('open', fuse.FUSE_OPEN, path, reply, () => this.#hold(files.open(path, flags))),
      release: (path: string, handle: number, reply: Reply) =>
        this.#change('release', fuse.FUSE_RELEASE, path, reply, () => this.#letGo(handle)),
      read: (path: string, handle: number, into: Buffer, length: number, position: number, reply: Reply) =>
        this.#transfer('read', fuse.FUSE_READ, path, handle, length, reply, (file) => {
          const bytes = file.read(into, position)
          statistics.countRead(bytes)
          return bytes
        }),
      write: (path: string, handle: number, from: Buffer, length: number, position: number, reply: Reply) =>
        this.#transfer('write', fuse.FUSE_WRITE, path, handle, length, reply, (file) => {
          const bytes = file.write(from, position)
          statistics.countWritten(bytes)
          return bytes
        }),
    }
  }

  get #changesOfXattrs(): Operations {
    const { files } = this.#parts
    const nothing = (): void => undefined
    return {
      // Served by getxattr() and listxattr(); libfuse is told by these that they are.
      getxattr: nothing,
      listxattr: nothing,
      setxattr: (path: string, name: string, value: Buffer, _position: number, flags: number, reply: Reply) =>
        this.#change('setxattr', fuse.FUSE_SETXATTR, path, reply, () =>
          files.setAttribute(path, name, value, flags),
        ),
      removexattr: (path: string, name: string, reply: Reply) =>
        this.#change('removexattr', fuse.FUSE_REMOVEXATTR, path, reply, () =>
          files.removeAttribute(path, name),
        ),
    }
  }

  #hold(file: OpenFile): number {
    const handle = this.#free.pop() ?? this.#open.size + 1
    this.#open.set(handle, file)
    return handle
  }

  #file(handle: number): OpenFile {
    const file = this.#open.get(handle)
    if (file === undefined) throw apiError(-EBADF, 'fuse-native')
    return file
  }

  #letGo(handle: number): void {
    this.#file(handle).close()
    this.#open.delete(handle)
    this.#free.push(handle)
  }

  /** @param call gets the open file with the flags that it has in this request */
  #transfer(
    name: string,
    opcode: number,
    path: string,
    handle: number,
    lengthBytes: number,
    reply: Reply,
    call: (file: OpenFile) => number,
  ): void {
    const { files, record, memory } = this.#parts
    // The record is this operation's only now.
    const flags = flagsOf(record(), handle, lengthBytes, memory)
    this.#answer(name, opcode, path, reply, () => {
      check(flags, name)
      const file = this.#file(handle)
      file.flags = files.flagsOf(flags)
      return call(file)
    })
  }

  /** @param call what the operation returns is its number */
  #answer(name: string, opcode: number, path: string, reply: Reply, call: () => number): void {
    this.#run(name, opcode, path, call, (result) => reply(result), reply)
  }

  /** @param call what the operation returns goes with 0 */
  #answerWith(name: string, opcode: number, path: string, reply: Reply, call: () => unknown): void {
    this.#run(name, opcode, path, call, (result) => reply(0, result), reply)
  }

  #change(name: string, opcode: number, path: string, reply: Reply, call: () => void): void {
    this.#run(name, opcode, path, call, () => reply(0), reply)
  }

  #run<Result>(
    name: string,
    opcode: number,
    path: string,
    call: () => Result,
    succeed: (result: Result) => void,
    reply: Reply,
  ): void {
    const { session, files, statistics } = this.#parts
    const began = trace.enabled ? performance.now() : 0
    const tell = (result: string): void => {
      if (trace.enabled)
        trace(
          '%s',
          `${name} ${shownText(path)} = ${result} <${((performance.now() - began) * 1000).toFixed(1)} µs>`,
        )
    }
    statistics.count(opcode)
    files.noteRequest(path)
    if (this.#isOver) {
      reply(-EIO)
      return
    }
    session.run(name, call).then(
      (result) => {
        tell(typeof result === 'number' ? String(result) : 'done')
        succeed(result)
      },
      (error: unknown) => {
        const errno = errnoOf(error)
        tell(errno === null ? String(error) : errnoName(-errno))
        if (errno === null) this.#parts.fail(error)
        reply(errno ?? -EIO)
      },
    )
  }
}

/** What of a failed call is an answer; null where the call failed in its midst. */
function errnoOf(error: unknown): number | null {
  return error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? error.errno : null
}

/** @returns how long it is @throws ERANGE where it is longer than the place for it, unless that has no length */
function copied(value: Buffer, into: Uint8Array): number {
  if (into.length > 0 && value.length > into.length) throw apiError(-ERANGE, 'getxattr')
  if (into.length > 0) into.set(value)
  return value.length
}
