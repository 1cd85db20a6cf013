// SPDX-License-Identifier: GPL-2.0-only
/** Reports the damage that calls meet: each place once, and a limited number of places. */
import type { BadPlace } from './volume-error.js'

/**
 * Receives a description of damage that names the place. It is called between transactions, or after one was taken
 * back. It must neither throw nor call the engine. The same place may be reported any number of times.
 * @param bad the bad block that is all the damage
 */
export type DamageListener = (what: string, bad?: BadPlace) => void

/** @param inode that the call was about, 0 for none; a block number alone does not tell which file is concerned */
export function placeOf(inode: number, what: string): string {
  return inode === 0 || what.startsWith(`inode ${inode} `) ? what : `inode ${inode}: ${what}`
}

/** Places that are reported at most, so that a ruined volume fills neither the log nor the memory. */
export const mostDamagedPlaces = 64

/** Of these, bad blocks of contents: damage of metadata, which may make a mount read-only, is heard of later, too. */
export const mostBadContents = mostDamagedPlaces / 2

export class DamagedPlaces {
  readonly #places = new Map<string, string>()
  #contents = 0

  /**
   * A bad block is one place, whichever calls need it; two if it was taken for contents first.
   * @returns whether the place is new, and within {@link mostDamagedPlaces}
   */
  add(what: string, bad?: BadPlace): boolean {
    const isOfContents = bad?.isOfContents === true
    const place = bad === undefined ? what : `${isOfContents ? 'contents' : 'metadata'} in block ${bad.block}`
    if (this.isFull || this.#places.has(place) || (isOfContents && this.#contents >= mostBadContents))
      return false
    this.#places.set(place, what)
    if (isOfContents) this.#contents++
    return true
  }

  get all(): readonly string[] {
    return [...this.#places.values()]
  }

  /** What is met from now on is counted, and not told. */
  get isFull(): boolean {
    return this.#places.size >= mostDamagedPlaces
  }
}

/** What a call has met and mended on its way: it is told when the call is over, as no transaction is open then. */
export class DamageNotes {
  /** Each place once, though a call may meet it more often. */
  readonly #noted = new Set<string>()

  add(what: string): void {
    this.#noted.add(what)
  }

  get isEmpty(): boolean {
    return this.#noted.size === 0
  }

  /** What was noted has come of nothing. */
  clear(): void {
    if (this.#noted.size > 0) this.#noted.clear()
  }

  tellTo(listener: DamageListener): void {
    if (this.#noted.size === 0) return
    for (const what of this.#noted) listener(what)
    this.#noted.clear()
  }
}
