// SPDX-License-Identifier: GPL-2.0-only
/** What holds of a directory's tree: which leaf covers which hashes, and of the entries in a leaf. */
import {
  childIsNode,
  hashBits,
  leafHeader,
  leafRecord,
  leafSlot,
  placeNameMask,
  placeNameShift,
  placeTwinShift,
  placeTypeMask,
  placeTypeShift,
  placeWordMask,
} from '../../layout/directory.js'
import { blockWords } from '../../layout/geometry.js'
import { inode as layout } from '../../layout/inode.js'
import type { Medium } from '../../src/pmem/medium.js'
import type { Invariants, RawInode } from './invariants.js'

const at = layout.word
const directory = 4

export class DirectoryInvariants {
  readonly #all: Invariants
  readonly #medium: Medium
  readonly #inode: RawInode
  readonly #isOrphan: boolean
  readonly #names = new Set<string>()
  #entries = 0
  #blocks = 0
  #leaves = 0

  constructor(all: Invariants, inode: RawInode, isOrphan: boolean) {
    this.#all = all
    this.#medium = all.medium
    this.#inode = inode
    this.#isOrphan = isOrphan
  }

  /** @returns the blocks that the directory has */
  check(): number {
    const { words, number } = this.#inode
    const root = words[at.root]!
    if (root !== 0) {
      if (words[at.height] === 0) this.#checkLeaf(root, 0, 0)
      else this.#checkNode(root, 0, 0)
    }
    if (this.#entries !== words[at.device]) {
      this.#say(`counts ${words[at.device]!} entries and has ${this.#entries}`)
    }
    if (!this.#isOrphan && words[at.size] !== this.#leaves * 4096)
      this.#say('has a size that is not its leaves')
    if (number === 1 && words[at.parent] !== 1) this.#say('is the root with a parent')
    return this.#blocks
  }

  /** A node that covers the hashes beginning with the `depth` bits `prefix`. */
  #checkNode(block: number, prefix: number, depth: number): void {
    this.#blocks++
    this.#all.own(block, `inode ${this.#inode.number}`)
    for (let index = 0; index < 512;) {
      const child = this.#medium.load32(block, index * 2)
      const flags = this.#medium.load32(block, index * 2 + 1)
      if (child === 0) {
        if (!this.#isOrphan) this.#say(`has no leaf at entry ${index} of block ${block}`)
        index++
      } else if (flags === childIsNode) {
        this.#checkNode(child, prefix * 512 + index, depth + 9)
        index++
      } else {
        index = this.#checkRun(block, index, child, prefix, depth)
      }
    }
  }

  /** Entries that name one leaf: as many, and so aligned, as the leaf's depth says. @returns the index after them */
  #checkRun(block: number, index: number, leaf: number, prefix: number, depth: number): number {
    let run = 1
    while (
      index + run < 512 &&
      this.#medium.load32(block, (index + run) * 2) === leaf &&
      this.#medium.load32(block, (index + run) * 2 + 1) === 0
    ) {
      run++
    }
    const leafDepth = this.#medium.load32(leaf, leafHeader.word.depth)
    if (run !== 2 ** (depth + 9 - leafDepth) || index % run !== 0) {
      this.#say(
        `names leaf ${leaf} of depth ${leafDepth} in ${run} entries from ${index} on, at depth ${depth}`,
      )
    }
    this.#checkLeaf(leaf, (prefix * 512 + index) / run, leafDepth)
    return index + run
  }

  #checkLeaf(leaf: number, prefix: number, depth: number): void {
    this.#blocks++
    this.#leaves++
    this.#all.own(leaf, `inode ${this.#inode.number}`)
    const slots = this.#medium.load32(leaf, leafHeader.word.slots)
    const recordStart = this.#medium.load32(leaf, leafHeader.word.recordStart)
    if (this.#medium.load32(leaf, leafHeader.word.depth) !== depth)
      this.#say(`leaf ${leaf} is not ${depth} deep`)
    if (leafHeader.lengthWords + slots * leafSlot.lengthWords > recordStart || recordStart > blockWords) {
      this.#say(`leaf ${leaf} has slots and records over each other`)
    }
    const taken = new Set<number>()
    const twins = new Set<string>()
    let live = 0
    for (let slot = 0; slot < slots; slot++) live += this.#checkSlot(leaf, slot, prefix, depth, taken, twins)
    const garbage = this.#medium.load32(leaf, leafHeader.word.garbageWords)
    if (live + garbage !== blockWords - recordStart) {
      this.#say(`leaf ${leaf} has ${live} words of records and ${garbage} of garbage from ${recordStart} on`)
    }
  }

  /** @returns the words of the slot's record */
  #checkSlot(
    leaf: number,
    slot: number,
    prefix: number,
    depth: number,
    taken: Set<number>,
    twins: Set<string>,
  ): number {
    const word = leafHeader.lengthWords + slot * leafSlot.lengthWords
    const hash = this.#medium.load32(leaf, word)
    const place = this.#medium.load32(leaf, word + 1)
    if (place === 0) return 0
    if (Math.floor(hash / 2 ** (hashBits - depth)) !== prefix)
      this.#say(`has hash ${hash} in the wrong leaf ${leaf}`)
    const twin = `${hash} ${place >>> placeTwinShift}`
    if (twins.has(twin)) this.#say(`has two entries of hash ${hash} with one twin number`)
    twins.add(twin)
    const start = place & placeWordMask
    const bytes = (place >>> placeNameShift) & placeNameMask
    const length = leafRecord.lengthWords + Math.ceil(bytes / 4)
    for (let n = start; n < start + length; n++) {
      if (taken.has(n)) this.#say(`has records over each other in leaf ${leaf}`)
      taken.add(n)
    }
    if (start < this.#medium.load32(leaf, leafHeader.word.recordStart) || start + length > blockWords) {
      this.#say(`has a record outside the records of leaf ${leaf}`)
    }
    const from = this.#medium.byteOf(leaf) + (start + 1) * 4
    const name = Buffer.from(this.#medium.bytesOf(leaf).subarray(from, from + bytes)).toString('latin1')
    this.#checkEntry(name, this.#medium.load32(leaf, start), (place >>> placeTypeShift) & placeTypeMask)
    return length
  }

  #checkEntry(name: string, number: number, type: number): void {
    this.#entries++
    if (this.#names.has(name)) this.#say(`has ${name} twice`)
    this.#names.add(name)
    if (name === '' || name === '.' || name === '..' || name.includes('/'))
      this.#say(`has an entry called ${name}`)
    const child = this.#all.inodes.get(number)
    if (child === undefined) {
      this.#say(`names inode ${number}, which is free, as ${name}`)
      return
    }
    count(this.#all.names, number)
    if (child.words[at.mode]! >>> 12 !== type) this.#say(`names inode ${number} as ${name}, of another type`)
    if (type !== directory) return
    count(this.#all.subdirectories, this.#inode.number)
    if (child.words[at.parent] !== this.#inode.number)
      this.#say(`is not what its subdirectory ${name} calls parent`)
  }

  #say(problem: string): void {
    this.#all.say(this.#inode.number, problem)
  }
}

function count(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
