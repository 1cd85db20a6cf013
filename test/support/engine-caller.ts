// SPDX-License-Identifier: GPL-2.0-only
/** An engine spoken to in JavaScript's own terms: strings, Buffers, offsets as numbers. */
import { inode as layout, userFlags } from '../../layout/inode.js'
import { xattrPrefixes } from '../../layout/xattr.js'
import { decodeNanoseconds, decodeSeconds } from '../../layout/time.js'
import { AttributeChange, SET_MODE, SET_SIZE, attributeWords } from '../../src/fs/attributes.js'
import { AllocationRequest } from '../../src/fs/allocation-request.js'
import { CopyRequest } from '../../src/fs/copy-request.js'
import type { Engine } from '../../src/fs/engine.js'
import { EIO } from '../../src/fs/errno.js'
import { FilePosition } from '../../src/fs/file-position.js'
import { S_IFCHR } from '../../src/fs/mode.js'
import { mostBytesPerWrite } from '../../src/fs/write-in-progress.js'
import { WriteRequest } from '../../src/fs/write-request.js'
import { Name } from '../../src/fs/name.js'
import { NewInode } from '../../src/fs/new-inode.js'
import { TrimRange } from '../../src/fs/trim.js'
import { VolumeUsage } from '../../src/fs/volume-usage.js'
import type { Medium } from '../../src/pmem/medium.js'
import {
  type TransferBuffer,
  createTransferBuffer,
  releaseTransferBuffer,
} from '../../src/pmem/transfer-buffer.js'

const at = layout.word
const blockBytes = 4096

export interface Attributes {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly links: number
  readonly size: number
  readonly blocks: number
  /** Seconds and nanoseconds. */
  readonly mtime: string
  readonly ctime: string
  readonly atime: string
  readonly device: number
  readonly generation: number
  readonly parent: number
  /** Flags that users set, as on the medium. */
  readonly flags: number
  readonly project: number
}

export interface Entry {
  readonly name: string
  readonly inode: number
  readonly type: number
  readonly cookie: readonly [low: number, high: number]
}

export interface Extent {
  /** null: a hole */
  readonly bytes: Buffer | null
  readonly length: number
}

/** Bytes of a name: a string is taken as Latin-1, so that every byte can be said. */
export function nameOf(text: string): Name {
  const bytes = Buffer.from(text, 'latin1')
  return new Name().set(bytes, 0, bytes.length)
}

export class EngineCaller {
  readonly engine: Engine
  readonly #medium: Medium
  readonly #buffer: TransferBuffer
  readonly #words = new Uint32Array(attributeWords)
  readonly #found = new FilePosition()

  constructor(engine: Engine, medium: Medium) {
    this.engine = engine
    this.#medium = medium
    this.#buffer = createTransferBuffer('test data', mostBytesPerWrite + blockBytes)
  }

  release(): void {
    releaseTransferBuffer(this.#buffer)
  }

  /** Every change is made at this moment, until the next one is set. */
  setClock(milliseconds: number): void {
    this.engine.clock.setMilliseconds(milliseconds)
  }

  /**
   * What the channel of a worker would send: loads of the call, or of what it names, may have met a bad block.
   */
  #answer<Result>(call: () => Result): Result | number {
    const before = this.engine.attend()
    const result = call()
    return this.engine.attend() === before ? result : -EIO
  }

  lookup(parent: number, name: string): number {
    return this.#answer(() => this.engine.lookup(parent, nameOf(name)))
  }

  make(parent: number, name: string, mode: number, device = 0, umask = 0): number {
    return this.engine.create(parent, nameOf(name), newInode(mode, device, umask))
  }

  file(parent: number, name: string): number {
    return this.make(parent, name, 0o100644)
  }

  mkdir(parent: number, name: string): number {
    return this.make(parent, name, 0o040755)
  }

  nameless(parent: number, mode = 0o100600, umask = 0): number {
    return this.engine.createNameless(parent, newInode(mode, 0, umask))
  }

  symlink(parent: number, name: string, target: string, mode = 0o120777): number {
    const bytes = Buffer.from(target, 'latin1')
    this.#buffer.bytes.set(bytes, 8)
    return this.engine.symlink(parent, nameOf(name), newInode(mode, 0), this.#buffer, 8, bytes.length)
  }

  readlink(inode: number): string | number {
    return this.#answer(() => {
      const sink = new Collector(this.#medium)
      const result = this.engine.readlink(inode, sink)
      return result < 0 ? result : sink.contents.toString('latin1')
    })
  }

  link(inode: number, parent: number, name: string): number {
    return this.engine.link(inode, parent, nameOf(name))
  }

  unlink(parent: number, name: string): number {
    return this.engine.unlink(parent, nameOf(name))
  }

  rmdir(parent: number, name: string): number {
    return this.engine.rmdir(parent, nameOf(name))
  }

  rename(from: number, oldName: string, to: number, newName: string, flags = 0): number {
    return this.engine.rename(from, nameOf(oldName), to, nameOf(newName), flags, newInode(S_IFCHR, 0))
  }

  forget(inode: number, count = 1): void {
    this.engine.forget(inode, count)
  }

  /** As {@link write}, of what a mapping has stored. */
  writeBack(inode: number, offset: number, data: Uint8Array): number {
    return this.write(inode, offset, data, false, false, true)
  }

  /** One write of the engine. @param offset bytes, below 2⁴⁴ */
  write(
    inode: number,
    offset: number,
    data: Uint8Array,
    killPrivileges = false,
    isAppend = false,
    isWriteBack = false,
  ): number {
    const request = new WriteRequest(this.#buffer)
    request.number = inode
    request.index = Math.floor(offset / blockBytes)
    request.within = offset % blockBytes
    request.length = data.length
    request.start = 4
    request.from.bytes.set(data, request.start)
    return this.engine.write(Object.assign(request, { killPrivileges, isAppend, isWriteBack }))
  }

  extents(inode: number, offset: number, length: number): Extent[] | number {
    return this.#answer(() => {
      const sink = new Collector(this.#medium)
      const result = this.engine.beginRead(
        inode,
        Math.floor(offset / blockBytes),
        offset % blockBytes,
        length,
        sink,
        false,
      )
      this.engine.endRead(inode)
      if (result >= 0 && sink.length !== result) throw new Error(`told ${sink.length} bytes of ${result}`)
      return result < 0 ? result : sink.extents
    })
  }

  read(inode: number, offset: number, length: number): Buffer | number {
    const extents = this.extents(inode, offset, length)
    return typeof extents === 'number' ? extents : joined(extents)
  }

  /** @returns the offset of the first data, or the first hole; or a negative errno */
  seek(inode: number, offset: number, kind: 'data' | 'hole'): number {
    const [index, within] = [Math.floor(offset / blockBytes), offset % blockBytes]
    const error = this.engine.ranges.seek(inode, index, within, kind === 'data', this.#found)
    return error === 0 ? (this.#found.low >>> 0) + this.#found.high * 2 ** 32 : error
  }

  /** One copy of the engine. @returns the bytes copied or a negative errno */
  copy(
    from: number,
    offset: number,
    to: number,
    toOffset: number,
    length: number,
    killPrivileges = false,
  ): number {
    const request = new CopyRequest()
    request.fromIndex = Math.floor(offset / blockBytes)
    request.fromWithin = offset % blockBytes
    request.toIndex = Math.floor(toOffset / blockBytes)
    request.toWithin = toOffset % blockBytes
    return this.engine.ranges.copy(Object.assign(request, { from, to, length, killPrivileges }))
  }

  setxattr(inode: number, name: string, value: Uint8Array, flags = 0, dropsSetGroup = false): number {
    // A value begins anywhere, as it follows a name in a request.
    this.#buffer.bytes.set(value, 3)
    return this.engine.xattrs.set(inode, nameOf(name), this.#buffer, 3, value.length, flags, dropsSetGroup)
  }

  /** @param most bytes that there is room for; 0 asks for the length alone */
  getxattr(inode: number, name: string, most = 65536): Buffer | number {
    return this.#answer(() => {
      const sink = new Collector(this.#medium)
      const result = this.engine.xattrs.beginGet(inode, nameOf(name), most, sink)
      this.engine.endRead(inode)
      if (most > 0 && result >= 0 && sink.length !== result)
        throw new Error(`told ${sink.length} bytes of ${result}`)
      return result < 0 || most === 0 ? result : sink.contents
    })
  }

  removexattr(inode: number, name: string): number {
    return this.engine.xattrs.remove(inode, nameOf(name))
  }

  listxattr(inode: number): string[] | number {
    return this.#answer(() => {
      const names: string[] = []
      const error = this.engine.xattrs.list(inode, {
        name: (namespace, bytes, start, length) => {
          const suffix = Buffer.from(bytes.subarray(start, start + length)).toString('latin1')
          names.push(xattrPrefixes[namespace]! + suffix)
        },
      })
      return error === 0 ? names : error
    })
  }

  chmod(inode: number, mode: number): number {
    return this.setattr(inode, { mask: SET_MODE, mode })
  }

  setattr(inode: number, change: Partial<AttributeChange>): number {
    return this.engine.setattr(inode, Object.assign(new AttributeChange(), change))
  }

  /** Sets all flags that users set, and the project where one is given. */
  setFlags(inode: number, flags: number, project?: number): number {
    const calls = this.engine.flags
    if (project === undefined) return calls.set(inode, userFlags, flags)
    return calls.setWithProject(inode, userFlags, flags, project)
  }

  /** Gives free blocks back to the device. @returns how many, or a negative errno */
  trim(start = 0, end = Infinity, fewest = 1): number {
    const range = new TrimRange(start, end, fewest)
    let result = 1
    while (result > 0) result = this.engine.trim.step(range)
    return result < 0 ? result : range.trimmed
  }

  truncate(inode: number, size: number): number {
    return this.setattr(inode, {
      mask: SET_SIZE,
      sizeLow: size % 2 ** 32,
      sizeHigh: Math.floor(size / 2 ** 32),
    })
  }

  /** @param mode FALLOC_FL_* */
  fallocate(inode: number, mode: number, offset: number, length: number, killPrivileges = false): number {
    const request = new AllocationRequest()
    request.number = inode
    request.mode = mode
    request.setRange(offset, offset + length)
    request.killPrivileges = killPrivileges
    return this.engine.allocation.fallocate(request)
  }

  /** As statfs(2) reports it. */
  usage(): VolumeUsage {
    const usage = new VolumeUsage()
    this.engine.usage(usage)
    return usage
  }

  stat(inode: number): Attributes | number {
    const error = this.engine.getattr(inode, this.#words)
    return error === 0 ? attributesOf(this.#words) : error
  }

  /** As {@link stat}, of an inode that is there. */
  attributes(inode: number): Attributes {
    const attributes = this.stat(inode)
    if (typeof attributes === 'number') throw new Error(`getattr of inode ${inode}: ${attributes}`)
    return attributes
  }

  /** At most `most` entries after a cookie. */
  readdir(inode: number, cookie: readonly [number, number] = [0, 0], most = Infinity): Entry[] | number {
    return this.#answer(() => {
      const entries: Entry[] = []
      const error = this.engine.readdir(inode, cookie[0], cookie[1], {
        entry(number, type, bytes, start, length, low, high) {
          if (entries.length >= most) return false
          const name = Buffer.from(bytes.subarray(start, start + length)).toString('latin1')
          entries.push({ name, inode: number, type, cookie: [low, high] })
          return true
        },
      })
      return error === 0 ? entries : error
    })
  }

  /** The entries of a directory without its dots. */
  entries(inode: number): Entry[] {
    const entries = this.readdir(inode)
    if (typeof entries === 'number') throw new Error(`readdir of inode ${inode}: ${entries}`)
    return entries.filter((entry) => entry.name !== '.' && entry.name !== '..')
  }
}

class Collector {
  readonly extents: Extent[] = []
  length = 0
  readonly #medium: Medium

  constructor(medium: Medium) {
    this.#medium = medium
  }

  data(block: number, offset: number, length: number): void {
    const at = this.#medium.byteOf(block) + offset
    if (at + length > this.#medium.bytesOf(block).length)
      throw new Error(`block ${block} is told beyond its window`)
    this.extents.push({ bytes: Buffer.from(this.#medium.bytesOf(block).subarray(at, at + length)), length })
    this.length += length
  }

  hole(length: number): void {
    this.extents.push({ bytes: null, length })
    this.length += length
  }

  get contents(): Buffer {
    return joined(this.extents)
  }
}

function joined(extents: readonly Extent[]): Buffer {
  return Buffer.concat(extents.map((extent) => extent.bytes ?? Buffer.alloc(extent.length)))
}

export function newInode(mode: number, device: number, umask = 0): NewInode {
  const made = new NewInode()
  made.mode = mode
  made.umask = umask
  made.uid = 1000
  made.gid = 100
  made.device = device
  return made
}

function attributesOf(words: Uint32Array): Attributes {
  const get = (field: number) => words[field]!
  const time = (field: number) =>
    `${decodeSeconds(get(field), get(field + 1))}.${String(decodeNanoseconds(get(field + 1))).padStart(9, '0')}`
  return {
    mode: get(at.mode),
    uid: get(at.uid),
    gid: get(at.gid),
    links: get(at.links),
    size: get(at.size) + get(at.size + 1) * 2 ** 32,
    blocks: get(at.blocks),
    mtime: time(at.mtime),
    ctime: time(at.ctime),
    atime: time(at.atime),
    device: get(at.device),
    generation: get(at.generation),
    parent: get(at.parent),
    flags: get(at.flags) & userFlags,
    project: get(at.project),
  }
}
