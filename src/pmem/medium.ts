// SPDX-License-Identifier: GPL-2.0-only
/**
 * The medium: the blocks of a volume, as memory. Loads are plain typed-array loads; every store goes through here,
 * so that a recording medium can take this one's place and rebuild what a power failure would leave.
 *
 * An address is a block number and an offset in that block. What was stored is durable once it was flushed and a
 * fence has followed. `zero` needs the fence only. So do `copyIn`, `copyWithin`, `storeLine` and `store64`, which are
 * carried out, in their order, as late as at the fence: until then, loads give what was there before. The order within
 * one cache line is kept.
 */
import { blockBytes, blockShift, blockWords, windowBlockMask } from '../../layout/geometry.js'
import { BadBlockError } from './bad-block-error.js'
import type { Clearing } from './clearing.js'
import type { TransferBuffer } from './transfer-buffer.js'

export abstract class Medium {
  /** Blocks that may be addressed. */
  abstract readonly blockCount: number
  /** Blocks of the first device, which has two copies of the superblock. */
  abstract readonly firstDeviceBlocks: number
  /** Stores one word. */
  abstract store32(block: number, word: number, value: number): void
  /** Stores two words by one 8-byte store, which a power failure cannot tear; `word` is even. */
  abstract store64(block: number, word: number, low: number, high: number): void
  /** Stores the sixteen words of a cache line past the caches; `word` is a multiple of 16. */
  abstract storeLine(block: number, word: number, line: Int32Array): void
  /** Sets bits of a word that other workers may change at the same time. */
  abstract setBits(block: number, word: number, mask: number): void
  abstract clearBits(block: number, word: number, mask: number): void
  /** Copies `length` bytes in. They may run on into the blocks that follow. */
  abstract copyIn(block: number, offset: number, from: TransferBuffer, start: number, length: number): void
  /** The same with bytes of the medium, which may run on from block to block as well. They are loaded at the fence. */
  abstract copyWithin(block: number, offset: number, from: number, fromOffset: number, length: number): void
  /** Fills `length` bytes with zeros. They may run on into the blocks that follow. */
  abstract zero(block: number, offset: number, length: number): void
  /**
   * Gives the memory or disk space of `count` blocks, which nobody uses, back to the device. They then read as zeros.
   * @returns 0 or a negative errno, -EOPNOTSUPP where the device cannot do that
   */
  abstract punch(block: number, count: number): number
  /** Asks for `length` bytes from byte `offset` of the block to be durable at the next fence. */
  abstract flush(block: number, offset: number, length: number): void
  /**
   * What was flushed and copied before becomes durable before anything that copyIn, storeLine and store64 do from here
   * on.
   */
  abstract order(): void
  /** Returns once everything flushed and copied before is durable. */
  abstract fence(): void

  /**
   * Fences where no call is under way, so that nothing stored came of zeros: bad blocks are noted on the way.
   * @throws DeviceError once the device has failed
   */
  settle(): void {
    this.noteBadBlocks()
    try {
      this.fence()
    } catch (error) {
      if (!(error instanceof BadBlockError)) throw error
    }
  }

  /** The process may do without memory for these blocks, which nobody needs soon. They keep what they hold. */
  dropPages(_block: number, _count: number): void {
    // Only what is mapped has pages that can be dropped.
  }

  /** Whether a device begins with this block, the first one of a window. */
  abstract beginsDevice(block: number): boolean

  /** The device that a block lies on, for messages; null where it has no name. */
  pathAt(_block: number): string | null {
    return null
  }

  /** How a block is cleared if it is bad. */
  clearingAt(_block: number): Clearing {
    return 'write'
  }

  /**
   * Asked about each bad block that is found, by the thread that hears of it and maybe more than once. It notes the
   * block, and says whether the rest can be used without. null: it cannot, whichever block it is.
   * @param isLoaded false: only native calls have met it, no zeros stand in for it
   */
  onBadBlock: ((block: number, isLoaded?: boolean) => boolean) | null = null
  /** Bad blocks of which this thread was the first to hear, until somebody reports them. */
  readonly unreported: BadBlockError[] = []

  /**
   * Loads of a device that has failed yield zeros: before something is made of what was loaded, this asks whether it is
   * what the device holds.
   * A native call that meets a bad block fails by itself, and leaves nothing for others to load: such a block is only
   * noted.
   * @throws DeviceError where it is not, for ever after; BadBlockError, once, where this thread has not heard of a bad
   * block that zeros have taken the place of, whoever met it, and {@link onBadBlock} does without it
   */
  check(): void {
    // Memory does not fail.
  }

  /**
   * The same for who has loaded nothing yet that counts: bad blocks that can be done without are only noted.
   * @throws DeviceError
   */
  noteBadBlocks(): void {
    for (;;) {
      try {
        this.check()
        return
      } catch (error) {
        if (!(error instanceof BadBlockError)) throw error
      }
    }
  }

  /** Rises with each bad block of which this thread hears, and once more if zeros take its place. */
  get badBlocksHeard(): number {
    return 0
  }

  /** How often this thread has heard that zeros stand in for a bad block. What was loaded before may be such zeros. */
  get badBlocksMet(): number {
    return 0
  }

  /**
   * Copies bytes of the medium, which may run on into the blocks that follow. Other threads must see no zeros where the
   * kernel replies with the same bytes, or copies them, meanwhile: this leaves a bad block as it is, unlike a load.
   * @throws BadBlockError, or DeviceError where the device has failed
   */
  copyOut(block: number, offset: number, length: number, into: Uint8Array, start: number): void {
    for (let done = 0; done < length; block++, offset = 0) {
      const from = this.byteOf(block) + offset
      const part = Math.min(length - done, blockBytes - offset)
      into.set(this.bytesOf(block).subarray(from, from + part), start + done)
      done += part
    }
  }

  /** The words among which the block lies, from {@link wordOf} on. */
  abstract wordsOf(block: number): Uint32Array

  /** Where the block begins in {@link wordsOf}. */
  wordOf(block: number): number {
    return (block & windowBlockMask) * blockWords
  }

  /** The bytes among which the block lies, from {@link byteOf} on. */
  abstract bytesOf(block: number): Uint8Array

  /** Where the block begins in {@link bytesOf}. */
  byteOf(block: number): number {
    return (block & windowBlockMask) << blockShift
  }

  /** Whether the block is there: behind a device that is no multiple of 1 GiB, the medium has a gap. */
  has(block: number): boolean {
    return block < this.blockCount && this.wordOf(block) + blockWords <= this.wordsOf(block).length
  }

  load32(block: number, word: number): number {
    return this.wordsOf(block)[(block & windowBlockMask) * blockWords + word]!
  }

  /**
   * The same as a signed number, for words all 32 bits of which are used. An unsigned one from 2³¹ on is boxed wherever
   * the compiler has not made this call a part of its caller, which nothing decides but the order of compilations.
   */
  loadBits(block: number, word: number): number {
    return this.wordsOf(block)[(block & windowBlockMask) * blockWords + word]! | 0
  }

  /** Stores the same pair of words `count` times, word by word. */
  fillPairs(block: number, word: number, count: number, low: number, high: number): void {
    for (let n = 0; n < count; n++) {
      this.store32(block, word + 2 * n, low)
      this.store32(block, word + 2 * n + 1, high)
    }
  }
}
