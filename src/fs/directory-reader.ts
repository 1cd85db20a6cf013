// SPDX-License-Identifier: GPL-2.0-only
/**
 * Listing a directory. The order is that of the hashes, and a cookie is the hash and twin number of the last entry that
 * was listed: a value, not a position. So entries may come and go and leaves may split between two calls, and an entry
 * that exists all the time is listed exactly once.
 *
 * An entry that cannot have its name, or does not belong where it stands, is left out and reported as damage. A damaged
 * tree is an error only if no entry comes before the damage, so that everything that can be listed is listed.
 */
import { hashBits } from '../../layout/directory.js'
import type { Medium } from '../pmem/medium.js'
import { type DamageListener, placeOf } from './damage.js'
import type { Directory } from './directory.js'
import {
  type DirectoryLeaf,
  entryTwin,
  entryType,
  isWithinLeaf,
  mostSlots,
  nameLength,
  nameOffset,
} from './directory-leaf.js'
import type { Inode } from './inode.js'
import { S_IFDIR, typeOfMode } from './mode.js'
import { Name } from './name.js'
import { damaged } from './volume-error.js'

/** Takes entries one by one. */
export interface DirectorySink {
  /**
   * @param type as st_mode >>> 12 (DT_* of readdir(3))
   * @param cookieLow with cookieHigh, where a later listing goes on after this entry
   * @returns false to refuse this entry and end the listing
   */
  entry(
    inode: number,
    type: number,
    bytes: Uint8Array,
    nameStart: number,
    nameLength: number,
    cookieLow: number,
    cookieHigh: number,
  ): boolean
}

const dots = new Uint8Array([0x2e, 0x2e])
const directoryType = typeOfMode(S_IFDIR)
export const cookieOfDot = 1
export const cookieOfDotDot = 2
/** Low words of cookies: 0 is the beginning, 1 and 2 are the dots, entries begin here. */
export const firstTwinCookie = 3

export class DirectoryReader {
  /** Entries that the last {@link read} told. */
  told = 0
  /** The directory that is read. */
  #number = 0
  readonly #medium: Medium
  readonly #directory: Directory
  readonly #leaf: DirectoryLeaf
  readonly #noteDamage: DamageListener
  /** Slots of one leaf that are still to be told, in order. */
  readonly #order = new Int32Array(mostSlots)
  readonly #name = new Name()

  /** @param onDamage hears of entries that are left out */
  constructor(medium: Medium, directory: Directory, onDamage: DamageListener) {
    this.#medium = medium
    this.#directory = directory
    this.#noteDamage = onDamage
    this.#leaf = directory.leaf
  }

  /** Tells the entries that follow a cookie (0, 0: all) until the sink refuses one. @throws VolumeError */
  read(directory: Inode, cookieLow: number, cookieHigh: number, sink: DirectorySink): void {
    this.told = 0
    this.#number = directory.number
    if (cookieHigh === 0 && cookieLow < cookieOfDotDot) {
      if (cookieLow < cookieOfDot && !sink.entry(directory.number, directoryType, dots, 0, 1, cookieOfDot, 0))
        return
      if (!sink.entry(directory.parent, directoryType, dots, 0, 2, cookieOfDotDot, 0)) return
    }
    let hash = cookieHigh
    let after = cookieLow
    for (let leaves = 0; ; leaves++) {
      // Nodes that name each other would lead through the same leaves for hours.
      if (leaves > directory.blocks) damaged(`directory ${directory.number} has more leaves than blocks`)
      this.#directory.walk(directory, hash)
      const leaf = this.#directory.leafBlock
      if (leaf === 0) return
      const count = this.#sort(leaf, hash, after)
      for (let n = 0; n < count; n++) {
        if (!this.#tell(leaf, this.#order[n]!, sink)) return
      }
      const unused = hashBits - this.#leaf.depth(leaf)
      const next = ((hash >>> unused) + 1) * 2 ** unused
      if (next >= 2 ** hashBits) return
      hash = next
      after = 0
    }
  }

  #tell(leaf: number, slot: number, sink: DirectorySink): boolean {
    const place = this.#leaf.place(leaf, slot)
    if (!isWithinLeaf(place)) return this.#leaveOut(leaf, 'reaches beyond it')
    const name = this.#name
    name.set(this.#medium.bytesOf(leaf), this.#medium.byteOf(leaf) + nameOffset(place), nameLength(place))
    if (name.check() !== 0) return this.#leaveOut(leaf, 'has a name that there cannot be')
    const isTaken = sink.entry(
      this.#leaf.inode(leaf, place),
      entryType(place),
      name.bytes,
      name.start,
      name.length,
      entryTwin(place) + firstTwinCookie,
      this.#leaf.hash(leaf, slot),
    )
    if (isTaken) this.told++
    return isTaken
  }

  /** @returns true, for the listing to go on */
  #leaveOut(leaf: number, why: string): true {
    this.#noteDamage(placeOf(this.#number, `an entry of leaf ${leaf} of a directory ${why}`))
    return true
  }

  /** Puts the slots that follow the cookie in order. @returns how many they are */
  #sort(leaf: number, cookieHash: number, cookieLow: number): number {
    const order = this.#order
    const slots = this.#leaf.slots(leaf)
    const unused = hashBits - this.#leaf.depth(leaf)
    let count = 0
    for (let slot = 0; slot < slots; slot++) {
      if (this.#leaf.place(leaf, slot) === 0) continue
      if (!this.#follows(leaf, slot, cookieHash, cookieLow)) continue
      const hash = this.#leaf.hash(leaf, slot)
      // Told out of order, it would lead the reader back.
      if ((hash ^ cookieHash) >>> unused !== 0) {
        this.#leaveOut(leaf, 'belongs into another one')
        continue
      }
      const low = this.#cookieLow(leaf, slot)
      let at = count++
      while (at > 0 && !this.#before(leaf, order[at - 1]!, hash, low)) {
        order[at] = order[at - 1]!
        at--
      }
      order[at] = slot
    }
    return count
  }

  #follows(leaf: number, slot: number, hash: number, low: number): boolean {
    const mine = this.#leaf.hash(leaf, slot)
    return mine > hash || (mine === hash && this.#cookieLow(leaf, slot) > low)
  }

  #before(leaf: number, slot: number, hash: number, low: number): boolean {
    const mine = this.#leaf.hash(leaf, slot)
    return mine < hash || (mine === hash && this.#cookieLow(leaf, slot) < low)
  }

  #cookieLow(leaf: number, slot: number): number {
    return entryTwin(this.#leaf.place(leaf, slot)) + firstTwinCookie
  }
}
