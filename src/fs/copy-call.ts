// SPDX-License-Identifier: GPL-2.0-only
/** Copying from file to file, as a call. Holes are passed by subtrees of the block map, whatever their size. */
import { blockBytes, blockShift } from '../../layout/geometry.js'
import { blocksUntil } from './block-map.js'
import { type CopyRequest, mostBytesPerCopy } from './copy-request.js'
import { FileSource } from './data-source.js'
import type { EngineParts } from './engine-parts.js'
import { EINVAL, EPERM } from './errno.js'
import { FileCall } from './file-call.js'
import { Inode } from './inode.js'
import { partLeft } from './long-call.js'
import { isGuarded } from './user-flags.js'
import { WriteInProgress, blocksOf, mostBytesPerWrite } from './write-in-progress.js'

/** What one call does at the most, since others wait for the files' locks: bytes that it stores, and transactions. */
const mostStoredPerCopy = 4 * mostBytesPerWrite
const mostStepsPerCopy = 64

export class CopyCall extends FileCall {
  readonly #source: Inode
  readonly #target: Inode
  /** The data that is written next. */
  readonly #data: FileSource
  readonly #write: WriteInProgress
  /** The call in hand. */
  #request!: CopyRequest
  /** Bytes copied so far, and about how many of them were stored. */
  #done = 0
  #stored = 0
  /** Between parts of a hole in the target: its bytes. Those at its end may be freed already. */
  #hole = 0
  /** Whether the last step has copied less than it was to. */
  #isShort = false

  constructor(parts: EngineParts) {
    super(parts)
    this.#source = new Inode(parts.medium)
    this.#target = new Inode(parts.medium)
    this.#data = new FileSource(parts.map)
    this.#write = new WriteInProgress(this.#data)
  }

  /** @returns as Ranges.copy */
  copy(request: CopyRequest): number {
    this.#request = request
    this.#done = 0
    this.#stored = 0
    this.#hole = 0
    this.lock(request.to, request.from)
    return this.finish()
  }

  protected override step(): number {
    const { table } = this.parts
    const { from, to } = this.#request
    const result = table.openFile(from, this.#source) || table.openFile(to, this.#target) || this.#copyRange()
    return result === partLeft ? partLeft : this.#done || result
  }

  /** What was copied before the damage was met stays. */
  protected override afterDamage(errno: number): number {
    return this.#done || errno
  }

  #copyRange(): number {
    if (isGuarded(this.#target)) return -EPERM
    // A hole is made from its end on, so one that was begun is finished, whatever has become of the source.
    const hole = this.#hole > 0 ? this.#makeHole() : 0
    if (hole < 0) return hole
    const source = this.#source
    const { fromIndex, fromWithin, toIndex, toWithin, length } = this.#request
    const left = (source.sizeBlock - fromIndex) * blockBytes + source.sizeWithin - fromWithin
    const total = Math.min(length, left, mostBytesPerCopy)
    if (total <= 0) return 0
    const distance = (toIndex - fromIndex) * blockBytes + toWithin - fromWithin
    if (source.number === this.#target.number && Math.abs(distance) < total) return -EINVAL
    for (
      let steps = 0;
      steps < mostStepsPerCopy && this.#done < total && this.#stored < mostStoredPerCopy;
      steps++
    ) {
      const bytes = this.#copyStep(total - this.#done)
      if (bytes < 0) return bytes
      if (this.#isShort) break
    }
    return this.#done
  }

  /** Makes a part of the hole, as large as one transaction can. @returns the bytes, partLeft, or a negative errno */
  #makeHole(): number {
    const { toIndex, toWithin, killPrivileges } = this.#request
    const at = toWithin + this.#done
    const index = toIndex + (at >>> blockShift)
    const bytes = this.parts.file.writeHole(
      this.#target,
      index,
      at & (blockBytes - 1),
      this.#hole,
      killPrivileges,
    )
    if (bytes !== partLeft) this.#hole = 0
    return this.#advance(bytes)
  }

  #advance(bytes: number): number {
    if (bytes > 0) {
      this.#done += bytes
      this.#stored += Math.min(bytes, mostBytesPerWrite)
    }
    return bytes
  }

  /** Copies data up to a hole, or a hole up to data. @returns the bytes copied, partLeft, or a negative errno */
  #copyStep(left: number): number {
    const { map } = this.parts
    const { root, height, blocks } = this.#source
    const { fromIndex, fromWithin } = this.#request
    const at = fromWithin + this.#done
    const index = fromIndex + (at >>> blockShift)
    const within = at & (blockBytes - 1)
    const blocksLeft = blocksOf(within, left)
    const found = map.nextData(root, height, index, blocksLeft, blocks)
    const data = blocksUntil(found, index, blocksLeft)
    this.#isShort = false
    if (data > 0) {
      this.#hole = Math.min(data * blockBytes - within, left)
      return this.#makeHole()
    }
    const wanted = Math.min(left, mostBytesPerWrite)
    const most = blocksOf(within, wanted)
    const hole = blocksUntil(map.nextHole(root, height, index, most, blocks), index, most)
    const length = Math.min(hole * blockBytes - within, wanted)
    // Before a part of the target is overwritten.
    if (!this.parts.bad.isEmpty) this.#checkSource(index, blocksOf(within, length))
    this.#data.set(this.#source, index, within)
    const bytes = this.#writePart(length)
    this.#isShort = bytes < length
    return this.#advance(bytes)
  }

  /** @throws VolumeError where a block of the data is bad */
  #checkSource(index: number, blocks: number): void {
    const { root, height } = this.#source
    for (let at = 0; at < blocks;) at += this.parts.map.run(root, height, index + at, blocks - at)
  }

  /** Writes `length` bytes of the data. @returns as File.write */
  #writePart(length: number): number {
    const { toIndex, toWithin, killPrivileges } = this.#request
    const at = toWithin + this.#done
    this.#write.set(toIndex + (at >>> blockShift), at & (blockBytes - 1), length, killPrivileges)
    return this.parts.file.write(this.#target, this.#write)
  }
}
