// SPDX-License-Identifier: GPL-2.0-only
/** Who hears of the damage that calls meet, and how much of it is told: each place once, and not more than a few. */

/**
 * Hears of damage, in words for people that name the place. It is called between transactions, or when one has been
 * taken back; it must neither throw nor call the engine. The same place may be told any number of times.
 */
export type DamageListener = (what: string) => void

/** @param inode what the call that met it was about, 0 for none: a block alone says little of where it was named */
export function placeOf(inode: number, what: string): string {
  return inode === 0 || what.startsWith(`inode ${inode} `) ? what : `inode ${inode}: ${what}`
}

/** Places that are told; a volume in ruins must not fill the log or the memory. */
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

  tellTo(listener: DamageListener): void {
    if (this.#noted.size === 0) return
    for (const what of this.#noted) listener(what)
    this.#noted.clear()
  }
}
