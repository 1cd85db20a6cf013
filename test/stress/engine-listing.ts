// SPDX-License-Identifier: GPL-2.0-only
/**
 * Listing a directory piece by piece while names come and go: an entry that is there all the time is told exactly once,
 * no entry is told twice, and what is told has attributes, as READDIRPLUS needs them.
 */
import type { DirectorySink } from '../../src/fs/directory-reader.js'
import type { Random } from '../support/random.js'
import type { EngineClient } from './engine-client.js'

const mostPerPiece = 40

export class EngineListing implements DirectorySink {
  readonly #client: EngineClient
  readonly #random: Random
  readonly #seen = new Set<string>()
  readonly #retained: number[] = []
  #left = 0
  #told = 0
  #cookieLow = 0
  #cookieHigh = 0

  constructor(client: EngineClient, random: Random) {
    this.#client = client
    this.#random = random
  }

  entry(
    inode: number,
    _type: number,
    bytes: Uint8Array,
    start: number,
    length: number,
    cookieLow: number,
    cookieHigh: number,
  ): boolean {
    if (this.#left-- === 0) return false
    const name = Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('latin1')
    if (this.#seen.has(name)) throw new Error(`readdir told ${name} twice`)
    this.#seen.add(name)
    this.#told++
    this.#cookieLow = cookieLow
    this.#cookieHigh = cookieHigh
    if (name !== '.' && name !== '..') {
      this.#client.engine.retain(inode)
      this.#retained.push(inode)
    }
    return true
  }

  /** Lists a directory that the caller refers to. @param permanent names that are there throughout */
  list(directory: number, permanent: readonly string[]): void {
    const { engine, attributes } = this.#client
    this.#seen.clear()
    this.#cookieLow = 0
    this.#cookieHigh = 0
    do {
      this.#left = 1 + this.#random.below(mostPerPiece)
      this.#told = 0
      const error = engine.readdir(directory, this.#cookieLow, this.#cookieHigh, this, true)
      if (error !== 0) throw new Error(`readdir gave ${error}`)
      for (const inode of this.#retained) {
        const failed = engine.getattr(inode, attributes)
        if (failed !== 0) throw new Error(`getattr of inode ${inode}, which readdir told, gave ${failed}`)
        engine.forget(inode, 1)
      }
      this.#retained.length = 0
    } while (this.#told > 0)
    const missing = permanent.find((name) => !this.#seen.has(name))
    if (missing !== undefined) throw new Error(`readdir did not tell ${missing}, which was there throughout`)
  }
}
