// SPDX-License-Identifier: GPL-2.0-only
/**
 * An open volume as the calls share it: everything here is synchronous, and a promise makes it look, and fail, like
 * node:fs/promises. A call runs as a whole before the next one begins.
 *
 * Once a call has ended in its midst, because the device did not take a store or gave none of what was asked for, what
 * it held is not let go of: all calls fail from then on, and closing leaves the rest to recovery.
 */
import type { Engine } from '../fs/engine.js'
import type { EngineSetting } from '../fs/engine-setting.js'
import { EBADF, EIO } from '../fs/errno.js'
import { mostBytesPerWrite } from '../fs/write-in-progress.js'
import { WriteRequest } from '../fs/write-request.js'
import { DeviceError } from '../pmem/device-error.js'
import { MappedMedium } from '../pmem/mapped-medium.js'
import { type TransferBuffer, createTransferBuffer, releaseTransferBuffer } from '../pmem/transfer-buffer.js'
import { apiError, check, withDamage } from './api-error.js'
import type { BytePath } from './byte-path.js'
import type { OpenedVolume } from './opened-volume.js'
import { PathWalk, type Place } from './path-walk.js'
import { SystemClock } from './system-clock.js'

export class Session {
  readonly engine: Engine
  readonly walk: PathWalk
  /** For loads; stores are the engine's. */
  readonly medium: MappedMedium
  /** Where the engine takes data from. */
  readonly buffer: TransferBuffer
  /** Of the data that lies there from its start on. */
  readonly writeRequest: WriteRequest
  readonly #opened: OpenedVolume
  readonly #clock = new SystemClock()
  /** How many open files refer to each inode. */
  readonly #references = new Map<number, number>()
  /** Why calls fail. */
  #failure: unknown = null
  #isOpen = true

  /** @param setting of its engine; the volume's own unless said */
  constructor(opened: OpenedVolume, setting?: EngineSetting) {
    this.#opened = opened
    this.medium = new MappedMedium(opened.description)
    this.engine = opened.volume.engine(0, setting)
    // The engine's medium hears of each as well, lists it, and decides.
    this.medium.onBadBlock = () => true
    this.walk = new PathWalk(this.engine, this.medium)
    this.buffer = createTransferBuffer('pmfs2 api', mostBytesPerWrite)
    this.writeRequest = new WriteRequest(this.buffer)
  }

  get notices(): readonly string[] {
    return [...this.#opened.notices, ...this.#opened.warnings]
  }

  /** @throws, by its promise, EBADF of a volume that is closed and EIO of one that has failed */
  run<Result>(syscall: string, call: () => Result): Promise<Result> {
    return Promise.resolve().then(() => {
      if (!this.#isOpen) throw apiError(-EBADF, syscall)
      // What a device says of its failure names it, and what to do.
      if (this.#failure instanceof DeviceError) throw this.#failure
      if (this.#failure !== null) throw Object.assign(apiError(-EIO, syscall), { cause: this.#failure })
      this.#clock.setTime(this.engine.clock)
      try {
        return this.#answer(syscall, call)
      } catch (error) {
        const failed = this.medium.failure
        if (failed !== null || this.#opened.volume.state.isFailed) this.#failure = failed ?? error
        throw failed ?? withDamage(error, this.#opened.volume.lastDamage)
      }
    })
  }

  /** A load that the device failed, or that met a bad block, yields zeros, and what came of them is no answer. */
  #answer<Result>(syscall: string, call: () => Result): Result {
    const before = this.engine.attend()
    const isSpoilt = (): boolean => this.engine.attend() !== before
    let result: Result
    try {
      result = call()
    } catch (error) {
      throw isSpoilt() ? apiError(-EIO, syscall) : error
    }
    if (isSpoilt()) throw apiError(-EIO, syscall)
    return result
  }

  /** Ends all that is open, and lets go of the device; a second time does nothing. */
  close(): Promise<void> {
    return Promise.resolve().then(() => {
      if (!this.#isOpen) return
      this.#isOpen = false
      try {
        if (this.#failure === null) this.#forgetAll()
      } finally {
        this.#release()
      }
    })
  }

  /** An open file refers to an inode: it lives until {@link forget}, even without names. */
  keep(inode: number): void {
    this.#references.set(inode, (this.#references.get(inode) ?? 0) + 1)
  }

  /** Whether an open file refers to an inode. */
  isKept(inode: number): boolean {
    return this.#references.has(inode)
  }

  /** Gives back the reference that goes with {@link keep}. */
  forget(inode: number): void {
    // What closing the volume, or its failure, has ended by itself.
    if (!this.#isOpen || this.#failure !== null) return
    const left = (this.#references.get(inode) ?? 1) - 1
    if (left === 0) this.#references.delete(inode)
    else this.#references.set(inode, left)
    this.engine.forget(inode, 1)
  }

  /** @returns where a path leads @throws where one of its directories is missing */
  place(syscall: string, path: BytePath, followLast: boolean): Place {
    const place = this.walk.resolve(path, followLast)
    if (typeof place === 'number') throw apiError(place, syscall, path)
    return place
  }

  /** @returns the inode at a path @throws where there is none */
  inode(syscall: string, path: BytePath, followLast: boolean): number {
    const inode = this.walk.find(path, followLast)
    check(inode, syscall, path)
    return inode
  }

  /** An inode was made: the reference that came with it is given back. */
  take(inode: number, syscall: string, path: BytePath, dest?: BytePath): number {
    check(inode, syscall, path, dest)
    this.engine.forget(inode, 1)
    return inode
  }

  #forgetAll(): void {
    for (const [inode, count] of this.#references) this.engine.forget(inode, count)
    this.#references.clear()
  }

  #release(): void {
    releaseTransferBuffer(this.buffer)
    this.#clock.release()
    try {
      this.medium.noteBadBlocks()
      this.medium.release()
    } finally {
      this.#opened.close()
    }
  }
}
