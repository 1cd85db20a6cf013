// SPDX-License-Identifier: GPL-2.0-only
/** Reports the damage that calls meet: each place once, and a limited number of places. */

/**
 * Receives a description of damage that names the place. It is called between transactions, or after one was taken
 * back. It must neither throw nor call the engine. The same place may be reported any number of times.
 */
export type DamageListener = (what: string) => void

/** @param inode that the call was about, 0 for none; a block number alone does not tell which file is concerned */
export function placeOf(inode: number, what: string): string {
  return inode === 0 || what.startsWith(`inode ${inode} `) ? what : `inode ${inode}: ${what}`
}

/** Places that are reported at most, so that a ruined volume fills neither the log nor the memory. */
export const mostDamagedPlaces = 64

export class DamagedPlaces {
  readonly #places = new Set<string>()

  /** @returns whether the place is new, and within {@link mostDamagedPlaces} */
  add(what: string): boolean {
    if (this.isFull || this.#places.has(what)) return false
    this.#places.add(what)
    return true
  }

  get all(): readonly string[] {
    return [...this.#places]
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
