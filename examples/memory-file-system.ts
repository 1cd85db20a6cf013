// SPDX-License-Identifier: GPL-2.0-only
/**
 * A file system in memory, which is gone when it is unmounted: an inode is an object, a directory a Map of names, a
 * file a Map of blocks. BaseFileSystem answers what is left out, and the kernel checks permissions.
 */
import { BaseFileSystem } from '../src/fuse/base-file-system.js'
import * as fs from '../src/fuse/vocabulary.js'

const blockBytes = 4096
const capacityBlocks = 2 ** 18
const RENAME_NOREPLACE = 1

interface Node {
  readonly number: number
  readonly attributes: fs.InodeAttributes
  /** What a directory holds. A later entry has a lower cookie, so that a listing does not meet it, and ends. */
  readonly entries: Map<string, { readonly node: Node; readonly cookie: number }>
  /** The directory that holds a directory. */
  parent: Node | null
  /** What a file or symbolic link holds: zeros beyond its size, and nothing in holes. */
  readonly blocks: Map<number, Uint8Array>
  /** References that the kernel has: without a name and without them, the inode is gone. */
  lookups: number
}

const keyOf = ({ bytes, start, length }: fs.Name): string =>
  Buffer.from(bytes.subarray(start, start + length)).toString('latin1')

export class MemoryFileSystem extends BaseFileSystem {
  readonly #nodes = new Map<number, Node>()
  #usedBlocks = 0
  #lastInode = 0
  #lastCookie = 2 ** 31

  constructor() {
    super()
    this.clock.setMilliseconds(Date.now())
    this.#make(fs.newDirectory(0o755)).lookups = 1
  }

  override lookup(parent: number, name: fs.Name): number {
    const entry = this.#node(parent).entries.get(keyOf(name))
    return entry === undefined ? name.check() || -fs.ENOENT : this.#refer(entry.node)
  }

  override retain(number: number): boolean {
    return this.#refer(this.#node(number)) > 0
  }

  override forget(number: number, count: number): void {
    const node = this.#node(number)
    node.lookups -= count
    this.#freeIfUnused(node)
  }

  override create(parent: number, name: fs.Name, made: fs.NewInode): number {
    const directory = this.#node(parent)
    const error = this.#refuseEntry(directory, name)
    if (error !== 0) return error
    const node = this.#make(made)
    node.attributes.inheritGroup(directory.attributes)
    this.#enter(directory, name, node)
    return this.#refer(node)
  }

  override symlink(...[parent, name, made, target, start, length]: fs.SymlinkCall): number {
    const number = this.create(parent, name, made)
    if (number > 0) this.#store(this.#node(number), 0, target.bytes.subarray(start, start + length))
    return number
  }

  override readlink(number: number, sink: fs.ReadSink): number {
    return this.beginRead(number, 0, 0, blockBytes, sink, false)
  }

  override link(number: number, parent: number, name: fs.Name): number {
    const error = this.#refuseEntry(this.#node(parent), name)
    if (error !== 0) return error
    const node = this.#node(number)
    node.attributes.links++
    this.#enter(this.#node(parent), name, node)
    this.#refer(node)
    return 0
  }

  override unlink(parent: number, name: fs.Name): number {
    const node = this.#node(parent).entries.get(keyOf(name))?.node
    if (node === undefined) return -fs.ENOENT
    if (node.entries.size > 0) return -fs.ENOTEMPTY
    this.#leave(this.#node(parent), name, node)
    node.attributes.links -= node.attributes.isDirectory ? 2 : 1
    this.#freeIfUnused(node)
    return 0
  }

  override rmdir(parent: number, name: fs.Name): number {
    return this.unlink(parent, name)
  }

  override rename(from: number, oldName: fs.Name, to: number, newName: fs.Name, flags: number): number {
    const node = this.#node(from).entries.get(keyOf(oldName))?.node
    if (node === undefined) return -fs.ENOENT
    if (flags & ~RENAME_NOREPLACE) return -fs.EINVAL
    const refusal = this.#refuseEntry(this.#node(to), newName)
    const error = refusal === -fs.EEXIST && flags === 0 ? this.unlink(to, newName) : refusal
    if (error !== 0) return error
    this.#leave(this.#node(from), oldName, node)
    this.#enter(this.#node(to), newName, node)
    return 0
  }

  override readdir(number: number, after: number, _afterHigh: number, sink: fs.DirectorySink): number {
    const { entries, parent, attributes } = this.#node(number)
    if (attributes.links === 0 || !fs.tellDots(sink, number, parent?.number ?? number, after)) return 0
    for (const [name, { node, cookie }] of [...entries].reverse()) {
      const type = fs.typeOfMode(node.attributes.mode)
      const bytes = Buffer.from(name, 'latin1')
      if (cookie > after && !sink.entry(node.number, type, bytes, 0, bytes.length, cookie, 0)) break
    }
    return 0
  }

  override getattr(number: number, words: Uint32Array): number {
    words.set(this.#node(number).attributes.words)
    return 0
  }

  override setattr(number: number, change: fs.AttributeChange): number {
    const node = this.#node(number)
    if (change.mask & fs.SET_SIZE) this.#truncate(node, fs.sizeOf(change))
    node.attributes.change(change)
    return 0
  }

  override usage(usage: fs.VolumeUsage): void {
    usage.blocks = capacityBlocks
    usage.freeBlocks = usage.freeInodes = capacityBlocks - this.#usedBlocks
    usage.usedInodes = this.#nodes.size
  }

  override beginRead(...[number, index, within, length, sink]: fs.ReadCall): number {
    const { attributes, blocks } = this.#node(number)
    const start = index * blockBytes + within
    const end = Math.min(start + length, attributes.size)
    for (let at = start; at < end;) {
      const offset = at % blockBytes
      const part = Math.min(blockBytes - offset, end - at)
      const block = blocks.get(Math.floor(at / blockBytes))
      if (block === undefined) sink.hole(part)
      else sink.bytes(block.subarray(offset, offset + part))
      at += part
    }
    return Math.max(end - start, 0)
  }

  override write({ number, index, within, length, from, start, killPrivileges }: fs.WriteRequest): number {
    const node = this.#node(number)
    const data = from.bytes.subarray(start, start + length)
    const written = this.#store(node, index * blockBytes + within, data)
    if (written === 0 && length > 0) return -fs.ENOSPC
    node.attributes.noteModified(killPrivileges)
    return written
  }

  #node(number: number): Node {
    return this.#nodes.get(number)!
  }

  /** Hands the kernel a reference. @returns the inode's number */
  #refer(node: Node): number {
    node.lookups++
    return node.number
  }

  #make(made: fs.NewInode): Node {
    const number = ++this.#lastInode
    const attributes = new fs.InodeAttributes(made, this.clock)
    const node: Node = {
      number,
      attributes,
      entries: new Map(),
      parent: null,
      blocks: new Map(),
      lookups: 0,
    }
    this.#nodes.set(number, node)
    return node
  }

  #freeIfUnused(node: Node): void {
    if (node.attributes.links > 0 || node.lookups > 0) return
    this.#truncate(node, 0)
    this.#nodes.delete(node.number)
  }

  /** @returns why a directory can have no such new entry, or 0 */
  #refuseEntry(directory: Node, name: fs.Name): number {
    if (directory.entries.has(keyOf(name))) return -fs.EEXIST
    return directory.attributes.links === 0 ? -fs.ENOENT : name.check()
  }

  #enter(directory: Node, name: fs.Name, node: Node): void {
    directory.entries.set(keyOf(name), { node, cookie: --this.#lastCookie })
    node.parent = directory
    this.#noteEntry(directory, node, 1)
  }

  #leave(directory: Node, name: fs.Name, node: Node): void {
    directory.entries.delete(keyOf(name))
    this.#noteEntry(directory, node, -1)
  }

  #noteEntry(directory: Node, node: Node, change: number): void {
    if (node.attributes.isDirectory) directory.attributes.links += change
    directory.attributes.noteModified()
    node.attributes.noteChanged()
  }

  /** @returns a block of a file to write to, null where there is no space for one */
  #blockFor({ blocks }: Node, index: number): Uint8Array | null {
    let block = blocks.get(index)
    if (block === undefined) {
      if (this.#usedBlocks === capacityBlocks) return null
      block = new Uint8Array(blockBytes)
      blocks.set(index, block)
      this.#usedBlocks++
    }
    return block
  }

  /** Stores what there is space for, from byte `at` of a file on. @returns how many bytes that is */
  #store(node: Node, at: number, data: Uint8Array): number {
    let done = 0
    while (done < data.length) {
      const offset = (at + done) % blockBytes
      const block = this.#blockFor(node, Math.floor((at + done) / blockBytes))
      if (block === null) break
      const part = data.subarray(done, done + blockBytes - offset)
      block.set(part, offset)
      done += part.length
    }
    const { attributes, blocks } = node
    if (done > 0) attributes.size = Math.max(attributes.size, at + done)
    attributes.blocks = blocks.size
    return done
  }

  #truncate({ attributes, blocks }: Node, size: number): void {
    for (const [index, block] of blocks) {
      const kept = size - index * blockBytes
      if (kept > 0) block.fill(0, kept)
      else if (blocks.delete(index)) this.#usedBlocks--
    }
    attributes.size = size
    attributes.blocks = blocks.size
  }
}

export const openFileSystem = (): BaseFileSystem => new MemoryFileSystem()
