// SPDX-License-Identifier: GPL-2.0-only
/**
 * A volume in memory that threads share, as the workers of a mount do, and the look at it when they are gone: locks,
 * references, the two bitmaps, fsck, and every byte of every file.
 */
import { rootsBlock } from '../../layout/geometry.js'
import { inode as layout, inodesPerBlock } from '../../layout/inode.js'
import { roots } from '../../layout/roots.js'
import { checkVolume } from '../../src/check/check-volume.js'
import { Report } from '../../src/check/report.js'
import { Allocator } from '../../src/fs/allocator.js'
import { format } from '../../src/fs/format.js'
import { bitmapBlockOf } from '../../src/fs/geometry.js'
import { Locks } from '../../src/fs/locks.js'
import { INODE_LOCKS, METADATA_LOCK, ALLOCATOR_LOCK, inodeLockCount } from '../../src/fs/shared-state.js'
import { Volume } from '../../src/fs/volume.js'
import { native } from '../../src/native/index.js'
import { MappedMedium, type MediumDescription } from '../../src/pmem/mapped-medium.js'
import { wake } from '../../src/pmem/shared-memory.js'
import {
  type TransferBuffer,
  createTransferBuffer,
  releaseTransferBuffer,
} from '../../src/pmem/transfer-buffer.js'
import type { Random } from '../support/random.js'
import { mostWorkers } from './board.js'
import { EngineClient, bufferBytes } from './engine-client.js'

const blockBytes = 4096
const at = layout.word

export class EngineVolume {
  readonly description: MediumDescription
  readonly medium: MappedMedium
  volume: Volume
  /** Calls to look at the volume with, when no thread is at work. */
  client: EngineClient
  /** Memory for the requests of each thread, and for the client's. */
  readonly buffers: readonly TransferBuffer[]

  /** A new volume of so many blocks, 2¹⁸ at the most. */
  constructor(blocks: number, random: Random) {
    const memory = createTransferBuffer('stress medium', blocks * blockBytes)
    // What a former use has left must never be seen.
    memory.bytes.fill(0xa5)
    this.description = {
      windows: [memory.mapping],
      memory: [null],
      devices: [],
      blockCount: blocks,
      firstDeviceBlocks: blocks,
    }
    this.medium = new MappedMedium(this.description)
    this.buffers = Array.from({ length: mostWorkers + 1 }, () =>
      createTransferBuffer('stress requests', bufferBytes),
    )
    format(this.medium, {
      deviceBlocks: [blocks],
      uuid: random.bytes(16),
      label: 'stress',
      identity: random.bytes(16),
      identifiers: [random.bytes(16)],
      hashKey: random.bytes(16),
      now: Date.now(),
      uid: 0,
      gid: 0,
      zeroed: false,
    })
    this.volume = this.#open()
    this.client = this.#newClient()
  }

  /** Unmounts and mounts again: in order, or as after a crash, when what was in flight is undone. */
  reopen(inOrder: boolean): void {
    if (inOrder) this.volume.close()
    else this.volume.abandon()
    this.volume = this.#open()
    this.client = this.#newClient()
  }

  release(): void {
    this.volume.abandon()
    for (const buffer of this.buffers) releaseTransferBuffer(buffer)
    this.medium.release()
    for (const mapping of this.description.windows) native.unmap(mapping, null)
  }

  /** Wakes whoever sleeps on a lock. */
  wakeSleepers(): void {
    for (const word of lockWords()) wake(this.volume.state.memory, word, 1000)
  }

  /** What is wrong when all threads have given back what they held. */
  residue(): string[] {
    const { state } = this.volume
    const problems: string[] = []
    for (const word of lockWords()) {
      if (state.words[word] !== 0) problems.push(`the lock at word ${word} is ${state.words[word]}`)
    }
    for (let number = 1; number < this.#roots(roots.word.tableBlocks) * inodesPerBlock; number++) {
      const lookups = state.lookups(number)
      if (lookups !== 0) problems.push(`inode ${number} has ${lookups} references left`)
    }
    const orphan = this.#roots(roots.word.orphanInode)
    if (orphan !== 0) problems.push(`inode ${orphan} is left on the orphan list`)
    return [...problems, ...this.#compareBitmaps()]
  }

  /** What fsck says. */
  check(): string[] {
    const report = new Report()
    const result = checkVolume(this.medium, this.volume.superblock, report)
    const lines = report.lines()
    if (result.inFlight > 0) lines.push(`${result.inFlight} transactions are in flight`)
    return lines
  }

  get attributes(): { readonly mode: number; readonly generation: number } {
    const { attributes } = this.client
    return { mode: attributes[at.mode]!, generation: attributes[at.generation]! }
  }

  /** The working bitmap, and the count of what is free, against what the persistent one says. */
  #compareBitmaps(): string[] {
    const { geometry } = this.volume.superblock
    const { state } = this.volume
    const working = new Allocator(this.medium, state, new Locks(state, 0), geometry)
    // What files have ahead is marked in the working one alone.
    working.releaseAllAhead()
    const { blockCount } = geometry
    const problems: string[] = []
    let free = 0
    for (let block = 0; block < blockCount; block++) {
      const word = this.medium.load32(bitmapBlockOf(geometry, block), (block >>> 5) & 1023)
      const used = ((word >>> (block & 31)) & 1) === 1
      if (!used) free++
      if (used !== working.isUsed(block))
        problems.push(`block ${block} is ${used ? 'used' : 'free'} on the medium only`)
    }
    if (free !== working.freeBlocks) problems.push(`${free} blocks are free, not ${working.freeBlocks}`)
    return problems
  }

  #roots(word: number): number {
    return this.medium.load32(rootsBlock, word)
  }

  #open(): Volume {
    return Volume.open(this.medium, { readOnly: false, now: Date.now(), isChecked: true })
  }

  #newClient(): EngineClient {
    const client = new EngineClient(this.volume.engine(0), this.medium, this.buffers[mostWorkers]!.mapping)
    client.engine.clock.setMilliseconds(Date.now())
    return client
  }
}

function lockWords(): number[] {
  return [METADATA_LOCK, ALLOCATOR_LOCK, ...Array.from({ length: inodeLockCount }, (_, n) => INODE_LOCKS + n)]
}
