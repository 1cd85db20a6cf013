// SPDX-License-Identifier: GPL-2.0-only
/**
 * Directories: a trie over the names' hashes, with the entries in its leaves (layout/directory.ts). A look-up is a
 * few loads and one leaf, whatever the directory's size; a full leaf is written anew as one compacted or two halves,
 * and published by repointing its run of entries in the node above. Where a tree is damaged, calls throw a VolumeError.
 */
import { childIsNode, hashBits, hashBitsPerLevel, tallestDirectory } from '../../layout/directory.js'
import { blockBytes } from '../../layout/geometry.js'
import { mapEntryWords, mapFanout } from '../../layout/map-node.js'
import type { Medium } from '../pmem/medium.js'
import type { DataArea } from './data-area.js'
import { DirectoryLeaf, entryType } from './directory-leaf.js'
import { ENOSPC } from './errno.js'
import { type Inode, inodeField } from './inode.js'
import type { Name } from './name.js'
import type { NameHash } from './name-hash.js'
import type { Transaction } from './transaction.js'
import { TreeCut } from './tree-cut.js'
import { damaged } from './volume-error.js'

/** A leaf with less than this alive is compacted rather than split. */
const compactBelowWords = 640
/** A first leaf, a compaction, a division for each bit of the hash, and the entry itself. */
const mostTries = hashBits + 3

export class Directory {
  readonly leaf: DirectoryLeaf
  /** Where the last walk ended: the leaf, and the node above it (0: the inode itself) with its entry and level. */
  leafBlock = 0
  /** Type of the entry that the last {@link lookup} found, as st_mode >>> 12. */
  foundType = 0
  #node = 0
  #index = 0
  #level = 0
  #slot = 0
  #hash = 0
  readonly #medium: Medium
  readonly #area: DataArea
  readonly #nameHash: NameHash
  readonly #treeCut: TreeCut

  constructor(medium: Medium, area: DataArea, nameHash: NameHash) {
    this.#medium = medium
    this.#area = area
    this.#nameHash = nameHash
    this.#treeCut = new TreeCut(medium, area)
    this.leaf = new DirectoryLeaf(medium)
  }

  /** @returns the inode that the name refers to, 0 for none */
  lookup(directory: Inode, name: Name): number {
    this.#hash = this.#nameHash.of(name.bytes, name.start, name.length)
    this.walk(directory, this.#hash)
    this.#slot = this.leafBlock === 0 ? -1 : this.leaf.find(this.leafBlock, this.#hash, name)
    if (this.#slot < 0) return 0
    const place = this.leaf.place(this.leafBlock, this.#slot)
    this.foundType = entryType(place)
    const inode = this.leaf.inode(this.leafBlock, place)
    if (inode === 0) damaged(`an entry of directory ${directory.number} names no inode`)
    return inode
  }

  /**
   * Adds a name that is not there. The directory's contents must have been saved (Inode.saveContents, and its count of
   * entries). @returns 0 or -ENOSPC (then the caller aborts the transaction)
   */
  insert(tx: Transaction, directory: Inode, name: Name, inode: number, type: number): number {
    for (let tries = 0; tries < mostTries; tries++) {
      if (this.lookup(directory, name) !== 0) damaged('a name to insert has come to be there')
      if (this.leafBlock === 0) {
        const error = this.#plant(tx, directory)
        if (error !== 0) return error
      } else if (this.leaf.add(tx, this.leafBlock, this.#hash, name, inode, type)) {
        directory.put(tx, inodeField.entries, directory.entries + 1)
        return 0
      } else {
        const error = this.#makeRoom(tx, directory)
        if (error !== 0) return error
      }
    }
    damaged(`directory ${directory.number} makes no room, however often it is divided`)
  }

  /** Removes a name that is there. The directory's count of entries must have been saved. */
  remove(tx: Transaction, directory: Inode, name: Name): void {
    if (this.lookup(directory, name) === 0) damaged('a name to remove has gone')
    this.leaf.remove(tx, this.leafBlock, this.#slot)
    directory.put(tx, inodeField.entries, directory.entries - 1)
  }

  /** Lets a name that is there refer to another inode. */
  replace(tx: Transaction, directory: Inode, name: Name, inode: number, type: number): void {
    if (this.lookup(directory, name) === 0) damaged('a name to replace has gone')
    this.leaf.replace(tx, this.leafBlock, this.#slot, inode, type)
  }

  /** Finds the leaf of a hash: leafBlock, 0 where the directory has none yet. */
  walk(directory: Inode, hash: number): void {
    let child = directory.root
    this.#node = 0
    this.#index = 0
    this.#level = -1
    this.leafBlock = 0
    if (directory.height > 0) {
      let isNode = childIsNode
      while (isNode === childIsNode) {
        if (++this.#level === tallestDirectory) damaged(`directory ${directory.number} is too deep`)
        this.#area.check(child)
        this.#node = child
        this.#index = nodeIndex(hash, this.#level)
        child = this.#medium.load32(this.#node, this.#index * mapEntryWords)
        isNode = this.#medium.load32(this.#node, this.#index * mapEntryWords + 1)
      }
    } else if (child === 0) return
    this.#area.check(child)
    this.leaf.check(child, this.#level)
    this.leafBlock = child
  }

  /**
   * Frees a directory's tree from the end, as much as the transaction has room for. Its contents must have been
   * saved, and so must all else that the transaction changes. @returns true when all is freed
   */
  cut(tx: Transaction, directory: Inode): boolean {
    const { root } = directory
    const cut = this.#treeCut
    if (root === 0) return true
    let freed = 0
    if (directory.height > 0) {
      const done = cut.cutDirectory(tx, root)
      freed = cut.nodeCount + cut.leafCount
      if (!done) {
        cut.put(tx)
        directory.put(tx, inodeField.blocks, directory.blocks - freed)
        return false
      }
    }
    tx.free(root, 1)
    directory.put(tx, inodeField.blocks, directory.blocks - freed - 1)
    directory.put(tx, inodeField.root, 0)
    directory.put(tx, inodeField.height, 0)
    return true
  }

  /** Gives an empty directory its first leaf. */
  #plant(tx: Transaction, directory: Inode): number {
    const fresh = tx.claimOne(0)
    if (fresh === 0) return -ENOSPC
    this.leaf.init(fresh, 0)
    directory.put(tx, inodeField.root, fresh)
    this.#grown(tx, directory, 1, 1)
    return 0
  }

  /** Compacts or splits the leaf that the last walk found. */
  #makeRoom(tx: Transaction, directory: Inode): number {
    const old = this.leafBlock
    const depth = this.leaf.depth(old)
    const compact = this.leaf.liveWords(old) < compactBelowWords
    if (!compact && depth === hashBits) return -ENOSPC
    const low = tx.claimOne(old)
    const high = compact ? low : tx.claimOne(old)
    if (low === 0 || high === 0) return -ENOSPC
    tx.free(old, 1)
    if (compact) {
      this.leaf.copyTo(low, old, depth, -1)
      this.#point(tx, directory, depth, low, low)
      return 0
    }
    this.leaf.copyTo(low, old, depth, 0)
    this.leaf.copyTo(high, old, depth, 1)
    if (depth < (this.#level + 1) * hashBitsPerLevel) {
      this.#point(tx, directory, depth, low, high)
      this.#grown(tx, directory, 1, 1)
      return 0
    }
    const node = tx.claimOne(old)
    if (node === 0) return -ENOSPC
    this.#medium.fillPairs(node, 0, mapFanout / 2, low, 0)
    this.#medium.fillPairs(node, mapFanout, mapFanout / 2, high, 0)
    this.#medium.flush(node, 0, blockBytes)
    this.#pointAtNode(tx, directory, node)
    this.#grown(tx, directory, 1, 2)
    return 0
  }

  /** Lets the run of entries that named the old leaf name the new ones, one for each half. */
  #point(tx: Transaction, directory: Inode, depth: number, low: number, high: number): void {
    if (this.#node === 0) {
      directory.put(tx, inodeField.root, low)
      return
    }
    const run = 1 << ((this.#level + 1) * hashBitsPerLevel - depth)
    const first = this.#index & ~(run - 1)
    const half = Math.max(1, run >>> 1)
    tx.saveFill(this.#node, first * mapEntryWords, run)
    tx.putFill(this.#node, first * mapEntryWords, half, low, 0)
    if (run > half) tx.putFill(this.#node, (first + half) * mapEntryWords, run - half, high, 0)
  }

  #pointAtNode(tx: Transaction, directory: Inode, node: number): void {
    if (this.#node === 0) {
      directory.put(tx, inodeField.root, node)
      directory.put(tx, inodeField.height, 1)
      return
    }
    tx.saveWords(this.#node, this.#index * mapEntryWords, mapEntryWords)
    tx.put32(this.#node, this.#index * mapEntryWords, node)
    tx.put32(this.#node, this.#index * mapEntryWords + 1, childIsNode)
  }

  /** A directory's size is that of its leaves. */
  #grown(tx: Transaction, directory: Inode, leaves: number, blocks: number): void {
    const size = directory.sizeHigh * 2 ** 32 + directory.sizeLow + leaves * blockBytes
    directory.putSize(tx, size >>> 0, Math.floor(size / 2 ** 32))
    directory.put(tx, inodeField.blocks, directory.blocks + blocks)
  }
}

/** Which of a node's 512 entries a hash selects; the lowest level has but the bits that are left. */
export function nodeIndex(hash: number, level: number): number {
  const shift = hashBits - hashBitsPerLevel * (level + 1)
  return (shift >= 0 ? hash >>> shift : hash << -shift) & (mapFanout - 1)
}
