// SPDX-License-Identifier: GPL-2.0-only
/** Makes and removes files on a volume that is not mounted, by names as text: the engine is called as a mount would. */
import type { Engine } from '../../src/fs/engine.js'
import { Name } from '../../src/fs/name.js'
import { NewInode } from '../../src/fs/new-inode.js'

export class FileMaker {
  readonly #engine: Engine
  readonly #bytes = new Uint8Array(64)
  readonly #name = new Name()
  readonly #made = new NewInode()
  readonly #encoder = new TextEncoder()

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** @returns the inode, which is to be forgotten */
  make(parent: number, text: string, mode: number): number {
    this.#made.mode = mode
    return must(`create ${text}`, this.#engine.create(parent, this.#named(text), this.#made))
  }

  remove(parent: number, text: string): void {
    must(`unlink ${text}`, this.#engine.unlink(parent, this.#named(text)))
  }

  #named(text: string): Name {
    const { written } = this.#encoder.encodeInto(text, this.#bytes)
    return this.#name.set(this.#bytes, 0, written)
  }
}

/** @throws Error where a call has failed @returns what it returned */
export function must(what: string, result: number): number {
  if (result < 0) throw new Error(`${what}: error ${result}`)
  return result
}
