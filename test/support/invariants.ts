// SPDX-License-Identifier: GPL-2.0-only
/**
 * What holds of every volume between two transactions, told from the medium's bytes and the format alone: nothing of
 * src/fs takes part. Each problem is a sentence; none is good.
 */
import {
  flagCapability,
  flagInlineData,
  flagListed,
  flagOrphan,
  flagPreallocated,
  inlineBytes,
  inode as layout,
  inodesPerBlock,
  userFlags,
} from '../../layout/inode.js'
import { flagUnwritten } from '../../layout/map-node.js'
import { blockBytes, blockWords, rootsBlock, superblockBlock } from '../../layout/geometry.js'
import { roots, tableHeight } from '../../layout/roots.js'
import { segmentEntry, superblock as super_ } from '../../layout/superblock.js'
import type { Medium } from '../../src/pmem/medium.js'
import { DirectoryInvariants } from './directory-invariants.js'
import { XattrInvariants } from './xattr-invariants.js'

const at = layout.word
const typeMask = 0o170000
const directory = 0o040000
const regular = 0o100000
const link = 0o120000
const allUsed = 0xffff_ffff

/** One inode as the checks need it. */
export interface RawInode {
  readonly number: number
  readonly words: Uint32Array
}

/** Everything wrong with an open or a closed volume; orphans are wrong unless they are allowed. */
export function problemsOf(medium: Medium, orphansAllowed = false): string[] {
  return new Invariants(medium).check(orphansAllowed)
}

export class Invariants {
  readonly problems: string[] = []
  readonly medium: Medium
  /** Names found for each inode. */
  readonly names = new Map<number, number>()
  /** Subdirectories found in each directory. */
  readonly subdirectories = new Map<number, number>()
  readonly #owners = new Map<number, string>()
  /** Pairs of first block and the one after the last: what lies between segments. */
  readonly #gaps: (readonly [start: number, end: number])[] = []
  readonly #inodes = new Map<number, RawInode>()
  readonly #free = new Map<number, Uint32Array>()

  constructor(medium: Medium) {
    this.medium = medium
  }

  get inodes(): ReadonlyMap<number, RawInode> {
    return this.#inodes
  }

  check(orphansAllowed: boolean): string[] {
    this.#claimFixedAreas()
    this.#readTable()
    this.#checkFreeList()
    const orphans = this.#checkOrphans()
    if (!orphansAllowed && orphans.size > 0) this.#say(`orphans are left: ${[...orphans].join(', ')}`)
    for (const inode of this.#inodes.values()) this.#checkInode(inode, orphans.has(inode.number))
    for (const inode of this.#inodes.values()) this.#checkLinks(inode)
    this.#checkBitmap()
    return this.problems
  }

  say(inode: number, problem: string): void {
    this.#say(`inode ${inode} ${problem}`)
  }

  /** Notes who a block belongs to; it may belong to one only. */
  own(block: number, owner: string): void {
    const other = this.#owners.get(block)
    if (other !== undefined) this.#say(`block ${block} belongs to ${other} and to ${owner}`)
    if (this.#gaps.some(([start, end]) => block >= start && block < end))
      this.#say(`block ${block} of ${owner} lies in a gap between segments`)
    this.#owners.set(block, owner)
  }

  #say(problem: string): void {
    this.problems.push(problem)
  }

  #super(field: number): number {
    return this.medium.load32(superblockBlock, field)
  }

  #root(field: number): number {
    return this.medium.load32(rootsBlock, field)
  }

  #claimFixedAreas(): void {
    this.own(this.#super(super_.word.secondCopy), 'the second superblock')
    let end = 0
    for (const segment of this.#segments()) {
      if (end < segment.first) this.#gaps.push([end, segment.first])
      for (end = segment.first; end < segment.dataStart; end++) this.own(end, 'a fixed area')
      end = segment.first + segment.blocks
    }
  }

  #segments(): { first: number; blocks: number; bitmapStart: number; dataStart: number }[] {
    const field = segmentEntry.word
    return Array.from({ length: this.#super(super_.word.segmentCount) }, (_, n) => {
      const entry = super_.word.segments + n * segmentEntry.lengthWords
      const get = (word: number) => this.#super(entry + word)
      return {
        first: get(field.first),
        blocks: get(field.blocks),
        bitmapStart: get(field.bitmapStart),
        dataStart: get(field.dataStart),
      }
    })
  }

  #readTable(): void {
    const blocks: (number | undefined)[] = []
    this.#walkMap(this.#root(roots.word.tableRoot), tableHeight, 0, 'the inode table', (index, block) => {
      blocks[index] = block
    })
    if (blocks.length > this.#root(roots.word.tableBlocks)) this.#say('the table has blocks beyond its end')
    const held = blocks.reduce<number>((count) => count + 1, 0)
    if (held !== this.#root(roots.word.heldBlocks))
      this.#say(`the table has ${held} blocks, and counts others`)
    if (this.#root(roots.word.isListed) !== 1) this.#say('the free list is to be made anew')
    let used = 0
    for (const [index, block] of blocks.entries()) {
      if (block === undefined) continue
      for (let slot = 0; slot < inodesPerBlock; slot++) {
        const number = index * inodesPerBlock + slot
        const start = this.medium.wordOf(block) + slot * layout.lengthWords
        const words = this.medium.wordsOf(block).subarray(start, start + layout.lengthWords)
        if (words[at.mode] !== 0) used++
        if (number === 0) continue
        if (words[at.mode] === 0) this.#free.set(number, words)
        else this.#inodes.set(number, { number, words })
      }
    }
    if (used !== this.#root(roots.word.usedInodes)) {
      this.#say(`${used} inodes are in use, not ${this.#root(roots.word.usedInodes)}`)
    }
  }

  /** Calls `visit` for each block that a map names. @returns how many blocks it has, its own included */
  #walkMap(
    block: number,
    height: number,
    base: number,
    owner: string,
    visit: (index: number, block: number, flags: number) => void,
    flags = 0,
  ): number {
    if (block === 0) return 0
    this.own(block, owner)
    if (height === 0) {
      visit(base, block, flags)
      return 1
    }
    let count = 1
    const words = this.medium.wordsOf(block)
    const start = this.medium.wordOf(block)
    for (let child = 0; child < 512; child++) {
      const below = words[start + child * 2]!
      const childFlags = words[start + child * 2 + 1]!
      if ((childFlags & ~(height === 1 ? flagUnwritten : 0)) !== 0)
        this.#say(`${owner}: a map entry has flags`)
      if (below === 0) continue
      count += this.#walkMap(below, height - 1, base + child * 512 ** (height - 1), owner, visit, childFlags)
    }
    return count
  }

  /** Of each block with free inodes, one stands on the list. */
  #checkFreeList(): void {
    const listed = new Set<number>()
    let previous = 0
    for (let number = this.#root(roots.word.freeInode); number !== 0;) {
      const block = Math.floor(number / inodesPerBlock)
      const words = this.#free.get(number)
      if (words === undefined || listed.has(block)) {
        this.#say(
          `the free list names inode ${number}, ${words ? 'the second of its block' : 'which is in use'}`,
        )
        return
      }
      if (words[at.flags] !== flagListed)
        this.say(number, `is on the free list with flags ${words[at.flags]!}`)
      if (words[at.previous] !== previous) this.say(number, 'has a wrong place on the free list')
      listed.add(block)
      previous = number
      number = words[at.next]!
    }
    for (const number of this.#free.keys()) {
      const block = Math.floor(number / inodesPerBlock)
      if (!listed.has(block)) this.say(number, 'is free, and its block is not on the free list')
    }
  }

  #checkOrphans(): Set<number> {
    const seen = new Set<number>()
    let previous = 0
    for (let number = this.#root(roots.word.orphanInode); number !== 0;) {
      const inode = this.#inodes.get(number)
      if (inode === undefined || seen.has(number)) {
        this.#say(`the orphan list names inode ${number}, ${inode ? 'again' : 'which is free'}`)
        return seen
      }
      if (inode.words[at.previous] !== previous) this.say(number, 'has a wrong place on the orphan list')
      if ((inode.words[at.flags]! & flagOrphan) === 0) this.say(number, 'is an orphan without the flag')
      seen.add(number)
      previous = number
      number = inode.words[at.next]!
    }
    return seen
  }

  #checkInode({ number, words }: RawInode, isOrphan: boolean): void {
    const type = words[at.mode]! & typeMask
    const owner = `inode ${number}`
    const size = words[at.size]! + words[at.size + 1]! * 2 ** 32
    const flags = words[at.flags]!
    let blocks: number
    let beyond = 0
    if ((flags & flagOrphan) !== 0 && !isOrphan)
      this.say(number, 'has the flag of an orphan and is on no list')
    const isPreallocated = (flags & flagPreallocated) !== 0
    if (isPreallocated && type !== regular) this.say(number, 'is no file, and has preallocated blocks')
    if ((flags & ~(flagOrphan | flagInlineData | flagCapability | flagPreallocated | userFlags)) !== 0)
      this.say(number, `has flags ${flags}`)
    if (type === directory) {
      blocks = new DirectoryInvariants(this, { number, words }, isOrphan).check()
    } else {
      blocks = this.#walkMap(words[at.root]!, words[at.height]!, 0, owner, (index, _block, entry) => {
        if (index * blockBytes >= size && !(isPreallocated && entry === flagUnwritten)) beyond++
      })
    }
    if (type === regular && beyond > 0 && !isOrphan) this.say(number, `has ${beyond} blocks beyond its size`)
    if (type === link) {
      const isInline = (flags & flagInlineData) !== 0
      if (isInline !== size <= inlineBytes || isInline !== (blocks === 0))
        this.say(number, 'keeps its target wrongly')
    } else if (type !== regular && type !== directory && (blocks !== 0 || size !== 0)) {
      this.say(number, 'is a special file with contents')
    }
    blocks += new XattrInvariants(this, { number, words }).check()
    if (blocks !== words[at.blocks]) this.say(number, `has ${blocks} blocks, not ${words[at.blocks]!}`)
  }

  #checkLinks({ number, words }: RawInode): void {
    const names = this.names.get(number) ?? 0
    const links = words[at.links]!
    const isDirectory = (words[at.mode]! & typeMask) === directory
    if (!isDirectory) {
      if (links !== names) this.say(number, `has ${names} names and ${links} links`)
    } else if (number !== 1 && names !== (links === 0 ? 0 : 1)) {
      this.say(number, `is a directory with ${names} names`)
    } else if (links !== 0 && links !== 2 + (this.subdirectories.get(number) ?? 0)) {
      this.say(number, `has ${this.subdirectories.get(number) ?? 0} subdirectories and ${links} links`)
    }
    if (links === 0 && (words[at.flags]! & flagOrphan) === 0)
      this.say(number, 'has no names and is no orphan')
  }

  #checkBitmap(): void {
    let lost = 0
    for (const { first, blocks, bitmapStart } of this.#segments()) {
      const words = Math.ceil(blocks / (blockBytes * 8)) * blockWords
      for (let n = 0; n < words; n++) {
        const word = this.medium.load32(bitmapStart + Math.floor(n / blockWords), n % blockWords)
        // What lies beyond a segment is marked used. It is most of the bitmap of a small one.
        if (32 * n >= blocks && word === allUsed) continue
        for (let bit = 0; bit < 32; bit++) {
          const block = first + 32 * n + bit
          const isUsed = (word >>> bit) & 1
          const isOwned = 32 * n + bit >= blocks || this.#owners.has(block)
          if (isOwned && isUsed === 0)
            this.#say(`block ${block} of ${this.#owners.get(block) ?? 'nobody'} is marked free`)
          if (!isOwned && isUsed === 1) lost++
        }
      }
    }
    if (lost > 0) this.#say(`${lost} blocks are marked used and belong to nobody`)
  }
}
