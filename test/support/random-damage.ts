// SPDX-License-Identifier: GPL-2.0-only
/** Damages copies of the sample at random: with numbers that mean something somewhere, and with some that never do. */
import { blockBytes, blockWords } from '../../layout/geometry.js'
import { type Segment, bitmapBlockOf } from '../../src/fs/geometry.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import type { Random } from './random.js'
import type { Patient, Sample } from './sample.js'

export class RandomDamage {
  /** Blocks of the data area that the sample uses. */
  readonly usedBlocks: readonly number[]
  readonly #random: Random
  readonly #pristine: Sample['medium']
  readonly #segments: readonly Segment[]

  constructor(random: Random, sample: Sample) {
    this.#random = random
    this.#pristine = sample.medium
    const { geometry, secondCopyBlock } = readSuperblock(sample.medium).superblock
    this.#segments = geometry.segments
    const isUsed = (block: number): boolean => {
      const word = sample.medium.load32(bitmapBlockOf(geometry, block), (block >>> 5) & (blockWords - 1))
      return ((word >>> (block & 31)) & 1) === 1
    }
    this.usedBlocks = this.#segments
      .flatMap(({ first, blocks, dataStart }) =>
        Array.from({ length: first + blocks - dataStart }, (_, n) => dataStart + n),
      )
      .filter((block) => block !== secondCopyBlock && isUsed(block))
  }

  number(): number {
    const random = this.#random
    switch (random.below(8)) {
      case 0:
        return random.of([0, 1, 2, 3, 4, 5, 31, 32, 255, 511, 512, 1023, 1024, 4096])
      case 1:
        return random.of([0xffffffff, 0x80000000, 0x7fffffff, 0xfffffffe])
      case 2:
        return random.of(this.usedBlocks)
      case 3: {
        const { first, blocks } = random.of(this.#segments)
        return first + random.below(blocks + 10)
      }
      case 4:
        return random.below(450)
      case 5:
        return random.of([0o100644, 0o040755, 0o120777, 0o060600])
      default:
        return random.below(2 ** 32)
    }
  }

  /** Damages a few words or whole blocks among `blocks`. @returns the blocks that it has damaged */
  inflict(patient: Patient, blocks: readonly number[]): number[] {
    const random = this.#random
    const damaged = Array.from({ length: 1 + random.below(4) }, () => random.of(blocks))
    for (const block of damaged) {
      switch (random.below(10)) {
        case 0:
          for (let word = 0; word < blockWords; word++) patient.set(block, word, this.number())
          break
        case 1:
          patient.medium.bytesOf(block).set(random.bytes(blockBytes), patient.medium.byteOf(block))
          break
        case 2:
          this.#copy(random.of(this.usedBlocks), patient, block)
          break
        case 3: {
          const word = random.below(blockWords)
          patient.set(block, word, patient.get(block, word) ^ (1 << random.below(32)))
          break
        }
        default:
          patient.set(block, this.#usualWord(), this.number())
      }
    }
    return damaged
  }

  /** Makes blocks what they were in the sample. */
  mend(patient: Patient, blocks: readonly number[]): void {
    for (const block of blocks) this.#copy(block, patient, block)
  }

  /** Most damage is done where there is something: at the beginning of a block and in the first entries. */
  #usualWord(): number {
    return this.#random.below(2) === 0 ? this.#random.below(64) : this.#random.below(blockWords)
  }

  #copy(source: number, patient: Patient, target: number): void {
    const start = this.#pristine.byteOf(source)
    const bytes = this.#pristine.bytesOf(source).subarray(start, start + blockBytes)
    patient.medium.bytesOf(target).set(bytes, patient.medium.byteOf(target))
  }
}
