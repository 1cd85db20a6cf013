// SPDX-License-Identifier: GPL-2.0-only
/**
 * FORGETs on their way to a file system that lives in one thread, where requests go over io_uring: they come by
 * /dev/fuse, which another thread reads. A ring buffer in shared memory carries them; what does not fit waits with the
 * sender for the next FORGET.
 */
import type { Mapping } from '../native/index.js'
import { type TransferBuffer, createTransferBuffer, viewTransferBuffer } from '../pmem/transfer-buffer.js'
import { BaseFileSystem } from './base-file-system.js'
import type { References } from './file-system.js'

const capacity = 4096
/**
 * Words of the memory: how many FORGETs were put in and taken out so far, then an inode number and a count for each.
 */
const PUT = 0
const TAKEN = 1
const ENTRIES = 16

export function createForgetQueue(): TransferBuffer {
  return createTransferBuffer('pmfs2 forgets', (ENTRIES + 2 * capacity) * 4)
}

/** What the reader of /dev/fuse serves: it passes FORGETs on, and is asked for nothing else. */
export class ForgetSender extends BaseFileSystem {
  readonly #words: Int32Array
  readonly #waiting: (readonly [number: number, count: number])[] = []

  constructor(queue: Mapping) {
    super()
    this.#words = viewTransferBuffer(queue).words
  }

  override forget(number: number, count: number): void {
    this.#waiting.push([number, count])
    const words = this.#words
    const put = words[PUT]!
    const room = capacity - ((put - Atomics.load(words, TAKEN)) | 0)
    const passed = this.#waiting.splice(0, room)
    passed.forEach((forget, n) => words.set(forget, entryOf(put + n)))
    Atomics.store(words, PUT, (put + passed.length) | 0)
  }
}

/** In the thread of the file system. */
export class ForgetReceiver {
  readonly #words: Int32Array

  constructor(queue: Mapping) {
    this.#words = viewTransferBuffer(queue).words
  }

  /** Gives back all references that have been passed on. */
  takeAll(files: References): void {
    const words = this.#words
    const put = Atomics.load(words, PUT)
    for (let taken = words[TAKEN]!; taken !== put; taken = (taken + 1) | 0) {
      const entry = entryOf(taken)
      files.forget(words[entry]!, words[entry + 1]!)
    }
    Atomics.store(words, TAKEN, put)
  }
}

function entryOf(position: number): number {
  return ENTRIES + 2 * (position & (capacity - 1))
}
