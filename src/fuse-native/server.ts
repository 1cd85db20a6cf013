// SPDX-License-Identifier: GPL-2.0-only
/**
 * Serves a mount by fuse-native, on this thread's event loop: it must be the main thread, whose loop the package uses.
 *
 * libfuse mounts, and its own threads read /dev/fuse. Nothing tells when they end. They close the descriptor then, and
 * only then, so that is what this looks at.
 */
import { readdirSync, readlinkSync } from 'node:fs'
import type { FuseLibrary, MountedFuse, Reply, RequestRecord } from './library.js'
import { type OperationParts, PathOperations } from './operations.js'
import { ProcessMemory } from './process-memory.js'

/** How often the descriptor is looked at. */
const watchMs = 100
/** The package has room for so many bytes of the mount point's name, and of the options, with a NUL. */
export const longestArgumentBytes = 1023

export interface ServerSetting extends Omit<OperationParts, 'record' | 'memory' | 'fail'> {
  readonly mountpoint: string
  /** The list of -o, for libfuse. */
  readonly options: string
}

interface Settle {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class FuseNativeServer {
  /** Resolves when the mount has ended, or was told to; rejects with what made it end otherwise. */
  readonly ended: Promise<void>
  readonly #fuse: MountedFuse
  readonly #operations: PathOperations
  readonly #settle: Settle
  readonly #memory = new ProcessMemory()
  #timer: NodeJS.Timeout | null = null

  constructor(library: FuseLibrary, setting: ServerSetting) {
    let settle: Settle
    this.ended = new Promise((resolve, reject) => {
      settle = { resolve, reject }
    })
    this.#settle = settle!
    // Whoever waits for the start hears of a failure by that.
    this.ended.catch(() => undefined)
    let current: RequestRecord = new Uint8Array(0)
    const parts: OperationParts = {
      ...setting,
      record: () => current,
      memory: this.#memory,
      fail: (error) => this.fail(error),
      begin: () => {
        try {
          setting.begin()
        } catch (error) {
          this.fail(error)
        }
      },
    }
    this.#operations = new PathOperations(parts)
    const Fuse = fuseFor(library, this.#operations, setting.options, (record) => {
      current = record
    })
    // An answer may take its time; libfuse must not be told that there is none, since it would be written all the same.
    this.#fuse = new Fuse(setting.mountpoint, this.#operations.all, { timeout: false })
  }

  /** Mounts. Resolves when libfuse is initialised, or when the mount has ended before. */
  async start(): Promise<void> {
    const before = fuseDescriptors()
    const initialised = new Promise<void>((resolve, reject) => {
      this.#fuse.open((error) => (error === null ? resolve() : reject(error)))
    })
    await Promise.race([initialised, this.ended])
    const mine = fuseDescriptors().filter((fd) => !before.includes(fd))
    this.#timer = setInterval(() => {
      if (!fuseDescriptors().some((fd) => mine.includes(fd))) this.#settle.resolve()
    }, watchMs)
  }

  /** Answers nothing from now on: every request fails, and the mount has to be given up. */
  stop(): void {
    this.#operations.end()
    this.#settle.resolve()
  }

  /** The same, and {@link ended} rejects. */
  fail(error: unknown): void {
    this.#operations.end()
    this.#settle.reject(error)
  }

  /** Lets go of what keeps the process alive, once it has ended. A mount that is still there stays. */
  release(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#fuse.close(() => undefined)
    this.#memory.close()
  }
}

/** The package's class with what it does not offer by its options, or does wrong. */
function fuseFor(
  library: FuseLibrary,
  operations: PathOperations,
  options: string,
  note: (record: RequestRecord) => void,
): FuseLibrary {
  return class extends library {
    override _fuseOptions(): string {
      return `-o${options}`
    }

    /** Each operation is called as soon as its record is here. */
    override _makeHandlerArray(): ReturnType<MountedFuse['_makeHandlerArray']> {
      return super._makeHandlerArray().map((handler) => (record, operation, ...args) => {
        note(record)
        handler(record, operation, ...args)
      })
    }

    /** Its own copies as much of the value as there is room for, and tells libfuse the whole length. */
    override _op_getxattr(signal: Reply, path: string, name: string, value: Buffer): void {
      operations.getxattr(path, name, value, (result) => signal(result, value.buffer))
    }

    /** Its own tells too much where the length is asked for, and cuts off what has no room. */
    override _op_listxattr(signal: Reply, path: string, list: Buffer): void {
      operations.listxattr(path, list, (result) => signal(result, list.buffer))
    }
  }
}

function fuseDescriptors(): string[] {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === '/dev/fuse'
    } catch {
      return false
    }
  })
}
