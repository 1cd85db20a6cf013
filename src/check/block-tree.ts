// SPDX-License-Identifier: GPL-2.0-only
/** Walking a block map, a file's or the inode table's: its nodes are 512 entries of a block and its flags. */
import { blockBytes } from '../../layout/geometry.js'
import { flagUnwritten, mapEntryWords, mapFanout, tallestMap } from '../../layout/map-node.js'
import { type Claims, ownerName, tableOwner } from './claims.js'
import type { Report } from './report.js'
import type { VolumeView } from './volume-view.js'

/** @param index of the block in the file; up to 2³⁶ in a damaged map */
export type DataVisitor = (index: number, block: number, isUnwritten: boolean) => void

export class BlockTree {
  /** Blocks that the last walk claimed, nodes included. */
  claimed = 0
  readonly #view: VolumeView
  readonly #claims: Claims
  readonly #report: Report
  #owner = 0
  #visit: DataVisitor = () => undefined

  constructor(view: VolumeView, claims: Claims, report: Report) {
    this.#view = view
    this.#claims = claims
    this.#report = report
  }

  /** Claims all blocks of a map and tells its data blocks, in order. */
  walk(owner: number, root: number, height: number, visit: DataVisitor): void {
    this.claimed = 0
    this.#owner = owner
    this.#visit = visit
    if (root === 0 && height !== 0) this.#tell(`its block map has height ${height}, but no root`)
    if (root === 0) return
    if (height > tallestMap) {
      this.#tell(`height of its block map is ${height}, should be 0 to ${tallestMap}`)
      return
    }
    this.#enter(root, height, 0, false)
  }

  /** @param index of the first block below */
  #enter(block: number, height: number, index: number, isUnwritten: boolean): void {
    const isLoaded = height > 0 || this.#owner === tableOwner
    const where = isLoaded ? '' : ` at byte ${index * blockBytes}`
    if (!this.#claims.take(block, this.#owner, this.#roleOf(height), isLoaded, where)) return
    this.claimed++
    if (height === 0) {
      this.#visit(index, block, isUnwritten)
      return
    }
    const { medium } = this.#view
    const words = medium.wordsOf(block)
    const base = medium.wordOf(block)
    const span = mapFanout ** (height - 1)
    for (let entry = 0; entry < mapFanout; entry++) {
      const child = words[base + entry * mapEntryWords]!
      const flags = words[base + entry * mapEntryWords + 1]!
      // Only a file's own blocks can be allocated and not written.
      const mayBeUnwritten = child !== 0 && height === 1 && this.#owner !== tableOwner
      const isUnwritten = flags === flagUnwritten
      if (flags !== 0 && !(isUnwritten && mayBeUnwritten)) {
        this.#tell(
          `flags of entry ${entry} in map block ${block} are ${flags}, should be 0${mayBeUnwritten ? ` or ${flagUnwritten}` : ''}`,
        )
      }
      if (child !== 0) this.#enter(child, height - 1, index + entry * span, isUnwritten)
    }
  }

  #roleOf(height: number): string {
    if (height > 0) return 'map'
    return this.#owner === tableOwner ? 'inodes' : 'data'
  }

  #tell(message: string): void {
    this.#report.problem('block-map', `${ownerName(this.#owner)}: ${message}`)
  }
}
