// SPDX-License-Identifier: GPL-2.0-only
/**
 * An engine, called as the kernel calls it and as fast as can be: names from a table, data from and to one buffer. It
 * reads what the engine names only when all of it has been named, as a channel does, and lets go of the lock then.
 */
import { inode as layout } from '../../layout/inode.js'
import { AttributeChange, SET_SIZE, attributeWords } from '../../src/fs/attributes.js'
import type { Engine } from '../../src/fs/engine.js'
import type { ExtentSink } from '../../src/fs/extent.js'
import { VolumeUsage } from '../../src/fs/volume-usage.js'
import { mostBytesPerWrite } from '../../src/fs/write-in-progress.js'
import { WriteRequest } from '../../src/fs/write-request.js'
import { Name } from '../../src/fs/name.js'
import { NewInode } from '../../src/fs/new-inode.js'
import type { Medium } from '../../src/pmem/medium.js'
import { type TransferBuffer, viewTransferBuffer } from '../../src/pmem/transfer-buffer.js'
import type { Mapping } from '../../src/native/index.js'

const at = layout.word
const blockBytes = 4096
const mostExtents = 1000
export const bufferBytes = mostBytesPerWrite + blockBytes

export class EngineClient implements ExtentSink {
  readonly engine: Engine
  /** Words of what the last {@link read} read, from the first on. */
  readonly words: Int32Array
  readonly attributes = new Uint32Array(attributeWords)
  readonly buffer: TransferBuffer
  readonly #medium: Medium
  readonly #bytes: Uint8Array
  readonly #names = new Map<string, Name>()
  readonly #made = new NewInode()
  readonly #change = new AttributeChange()
  readonly #usage = new VolumeUsage()
  readonly #write: WriteRequest
  readonly #blocks = new Uint32Array(mostExtents)
  readonly #offsets = new Uint32Array(mostExtents)
  readonly #lengths = new Uint32Array(mostExtents)
  #extents = 0

  /** @param mapping of {@link bufferBytes} */
  constructor(engine: Engine, medium: Medium, mapping: Mapping) {
    this.engine = engine
    this.#medium = medium
    this.buffer = viewTransferBuffer(mapping)
    this.#write = new WriteRequest(this.buffer)
    this.words = new Int32Array(bufferBytes / 4)
    this.#bytes = new Uint8Array(this.words.buffer)
  }

  name(text: string): Name {
    let name = this.#names.get(text)
    if (name === undefined) {
      const bytes = Buffer.from(text, 'latin1')
      name = new Name().set(bytes, 0, bytes.length)
      this.#names.set(text, name)
    }
    return name
  }

  /** Blocks that statfs(2) reports as free. */
  get freeBlocks(): number {
    this.engine.usage(this.#usage)
    return this.#usage.freeBlocks
  }

  newInode(mode: number): NewInode {
    this.#made.mode = mode
    return this.#made
  }

  data(block: number, offset: number, length: number): void {
    this.#note(block, offset, length)
  }

  hole(length: number): void {
    this.#note(0, 0, length)
  }

  /** @param offset bytes, below 2⁴⁴ @returns the bytes read into {@link words}, or a negative errno */
  read(number: number, offset: number, length: number): number {
    this.#extents = 0
    const [index, within] = [Math.floor(offset / blockBytes), offset % blockBytes]
    const result = this.engine.beginRead(number, index, within, length, this, true)
    if (result > 0 && this.#gather() !== result) throw new Error('the engine named other bytes than it said')
    this.engine.endRead(number)
    return result
  }

  /** The target of a symbolic link, in {@link words} as well. @returns its length or a negative errno */
  readlink(number: number): number {
    this.#extents = 0
    const result = this.engine.readlink(number, this)
    if (result > 0) this.#gather()
    return result
  }

  /** The value of an extended attribute, in {@link words} as well. @returns its length or a negative errno */
  getxattr(number: number, name: string): number {
    this.#extents = 0
    const result = this.engine.xattrs.beginGet(number, this.name(name), 65536, this)
    if (result > 0) this.#gather()
    this.engine.endRead(number)
    return result
  }

  /** Writes what lies in {@link buffer} from byte `start` on. */
  write(number: number, offset: number, length: number, start = 0, killPrivileges = false): number {
    const request = this.#write
    request.number = number
    request.index = Math.floor(offset / blockBytes)
    request.within = offset % blockBytes
    request.length = length
    request.start = start
    request.killPrivileges = killPrivileges
    return this.engine.write(request)
  }

  truncate(number: number, size: number): number {
    const change = this.change(SET_SIZE)
    change.sizeLow = size % 2 ** 32
    change.sizeHigh = Math.floor(size / 2 ** 32)
    return this.engine.setattr(number, change)
  }

  /** @param mask SET_* */
  change(mask: number): AttributeChange {
    this.#change.mask = mask
    return this.#change
  }

  /** Bytes of the text that the last {@link read} or {@link readlink} read. */
  text(length: number): string {
    return Buffer.from(this.#bytes.buffer, 0, length).toString('latin1')
  }

  contents(length: number): Buffer {
    return Buffer.from(this.#bytes.subarray(0, length))
  }

  get size(): number {
    return this.attributes[at.size]! + this.attributes[at.size + 1]! * 2 ** 32
  }

  #note(block: number, offset: number, length: number): void {
    if (this.#extents === mostExtents) throw new Error('too many extents in one read')
    this.#blocks[this.#extents] = block
    this.#offsets[this.#extents] = offset
    this.#lengths[this.#extents++] = length
  }

  /** @returns the bytes gathered */
  #gather(): number {
    let done = 0
    for (let n = 0; n < this.#extents; n++) {
      const block = this.#blocks[n]!
      const length = this.#lengths[n]!
      const start = this.#medium.byteOf(block) + this.#offsets[n]!
      if (block === 0) this.#bytes.fill(0, done, done + length)
      else this.#bytes.set(this.#medium.bytesOf(block).subarray(start, start + length), done)
      done += length
    }
    return done
  }
}
