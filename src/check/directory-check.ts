// SPDX-License-Identifier: GPL-2.0-only
/**
 * Checks a directory: the trie over the hashes, that every hash has its leaf, and with LeafCheck the entries. A
 * directory that was removed but is in use (no links, on the orphan list) may have lost a part of its trie already.
 */
import {
  childIsNode,
  hashBits,
  hashBitsPerLevel,
  leafHeader,
  tallestDirectory,
} from '../../layout/directory.js'
import { blockBytes } from '../../layout/geometry.js'
import { flagOrphan } from '../../layout/inode.js'
import { mapEntryWords, mapFanout } from '../../layout/map-node.js'
import type { Inode } from '../fs/inode.js'
import { type Claims, ownerName } from './claims.js'
import { sizeOf } from './inode-fields.js'
import type { InodeFacts } from './inode-facts.js'
import { LeafCheck } from './leaf-check.js'
import type { ProblemKind, Report } from './report.js'
import type { VolumeView } from './volume-view.js'

export class DirectoryCheck {
  /** Entries of all directories so far. */
  entries = 0
  readonly #view: VolumeView
  readonly #claims: Claims
  readonly #report: Report
  readonly #leaf: LeafCheck
  #number = 0
  #mayHaveHoles = false
  #leaves = 0
  #nodes = 0
  #found = 0

  constructor(view: VolumeView, claims: Claims, facts: InodeFacts, report: Report) {
    this.#view = view
    this.#claims = claims
    this.#report = report
    this.#leaf = new LeafCheck(view, facts, report)
  }

  /** @returns blocks of the directory's tree */
  check(inode: Inode): number {
    this.#number = inode.number
    this.#mayHaveHoles = inode.links === 0 && (inode.flags & flagOrphan) !== 0
    this.#leaves = 0
    this.#nodes = 0
    this.#found = 0
    this.#walk(inode.root, inode.height)
    this.entries += this.#found
    const size = this.#leaves * blockBytes
    if (sizeOf(inode) !== size && !this.#mayHaveHoles) {
      this.#tell('inode-size', `size is ${sizeOf(inode)}, should be ${size} (leaves: ${this.#leaves})`)
    }
    if (inode.entries !== this.#found) {
      this.#tell('directory-count', `count of entries is ${inode.entries}, should be ${this.#found}`)
    }
    return this.#leaves + this.#nodes
  }

  #walk(root: number, height: number): void {
    if (height > 1) {
      this.#tell('directory-tree', `height is ${height}, should be 0 (a leaf) or 1 (nodes)`)
    } else if (root === 0) {
      if (height !== 0) this.#tell('directory-tree', `height is ${height}, but there is no root`)
    } else if (height === 1) {
      this.#enterNode(root, 0, 0)
    } else if (this.#claims.take(root, this.#number, 'leaf')) {
      const depth = this.#depth(root)
      if (depth !== 0) this.#tell('directory-leaf', `depth of leaf ${root} is ${depth}, should be 0`)
      this.#enterLeaf(root, 0, 0)
    }
  }

  /** @param prefix the bits of the hash that lead here, nine for each level */
  #enterNode(node: number, level: number, prefix: number): void {
    if (!this.#claims.take(node, this.#number, 'node')) return
    this.#nodes++
    const { medium } = this.#view
    const words = medium.wordsOf(node)
    const base = medium.wordOf(node)
    for (let entry = 0; entry < mapFanout;) {
      const child = words[base + entry * mapEntryWords]!
      const flags = words[base + entry * mapEntryWords + 1]!
      const run = equalEntries(words, base, entry)
      if (flags > childIsNode)
        this.#tellNode(node, entry, `flags are ${flags}, should be 0 or ${childIsNode}`)
      else if (child === 0) this.#checkHole(node, entry, run, flags)
      else if (flags === childIsNode) this.#enterChildNode(node, entry, run, child, level, prefix)
      else this.#enterRun(node, entry, run, child, level, prefix)
      entry += run
    }
  }

  #checkHole(node: number, entry: number, run: number, flags: number): void {
    if (this.#mayHaveHoles && flags === 0) return
    const last = run > 1 ? ` to ${entry + run - 1}` : ''
    this.#tellNode(node, entry, `no block stands here${last}`)
  }

  #enterChildNode(
    node: number,
    entry: number,
    run: number,
    child: number,
    level: number,
    prefix: number,
  ): void {
    if (run > 1) this.#tellNode(node, entry, `${run} entries name node ${child}, should be one`)
    if (level + 1 === tallestDirectory) {
      this.#tellNode(node, entry, `node ${child} stands deeper than ${tallestDirectory} levels`)
      return
    }
    this.#enterNode(child, level + 1, prefix * mapFanout + entry)
  }

  /** Neighbouring entries that name one leaf: as many as the leaf's depth says, from a multiple of that on. */
  #enterRun(node: number, entry: number, run: number, leaf: number, level: number, prefix: number): void {
    if (!this.#claims.take(leaf, this.#number, 'leaf')) return
    const bitsAbove = level * hashBitsPerLevel
    const depth = this.#depth(leaf)
    const deepest = Math.min(bitsAbove + hashBitsPerLevel, hashBits)
    if (depth <= bitsAbove || depth > deepest) {
      const range = `should be ${bitsAbove + 1} to ${deepest}`
      this.#tell('directory-leaf', `depth of leaf ${leaf} is ${depth}, ${range}`)
      // What it lacks is its place; its entries are told by their hashes.
      this.#enterLeaf(leaf, -1, 0)
      return
    }
    const expected = 2 ** (bitsAbove + hashBitsPerLevel - depth)
    if (run !== expected || entry % expected !== 0) {
      this.#tellNode(
        node,
        entry,
        `${run} entries name leaf ${leaf}, should be ${expected} for depth ${depth}`,
      )
    }
    const here = entry >>> (bitsAbove + hashBitsPerLevel - depth)
    this.#enterLeaf(leaf, depth, prefix * 2 ** (depth - bitsAbove) + here)
  }

  #enterLeaf(leaf: number, depth: number, prefix: number): void {
    this.#leaves++
    this.#found += this.#leaf.check(this.#number, leaf, depth, prefix)
  }

  #depth(leaf: number): number {
    return this.#view.medium.load32(leaf, leafHeader.word.depth)
  }

  #tellNode(node: number, entry: number, message: string): void {
    this.#tell('directory-tree', `entry ${entry} of node ${node}: ${message}`)
  }

  #tell(kind: ProblemKind, message: string): void {
    this.#report.problem(kind, `${ownerName(this.#number)}: ${message}`)
  }
}

/** How many entries from this one on are equal. */
function equalEntries(words: Uint32Array, base: number, entry: number): number {
  const child = words[base + entry * mapEntryWords]
  const flags = words[base + entry * mapEntryWords + 1]
  let run = 1
  while (entry + run < mapFanout) {
    const next = base + (entry + run) * mapEntryWords
    if (words[next] !== child || words[next + 1] !== flags) break
    run++
  }
  return run
}
