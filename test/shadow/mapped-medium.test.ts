// SPDX-License-Identifier: GPL-2.0-only
/**
 * What each call of the medium makes durable, and when, on each kind of memory: at awkward offsets and lengths, with
 * lists and batches that get full, and around the boundary of two windows.
 */
import { ShadowMedium } from '../support/shadow/shadow-medium.js'
import tap from 'tap'
import { blockBytes, windowBlocks } from '../../layout/geometry.js'
import { createTransferBuffer, releaseTransferBuffer } from '../../src/pmem/transfer-buffer.js'
import { nativeConstant } from '../support/native-constant.js'
import { Replay } from '../support/power-failure.js'
import { Random } from '../support/random.js'
import type { Recording, RecordingMedium } from '../support/recording-medium.js'
import type { MemoryKind } from '../support/shadow/recording.js'

const kinds: readonly MemoryKind[] = ['cache-lines', 'fence-only', 'pages']
const wordsPerBlock = blockBytes / 4

/** From here on, copies that are no whole lines go past the caches. */
const threshold = nativeConstant('NONTEMPORAL_THRESHOLD_BYTES')
/** Around the ends of lines, pages, and what goes past the caches. */
const lengths = [
  ...[1, 7, 8, 63, 64, 65, 127, 128, 200, 256, 320],
  ...[-1, 0, 1, 63, 64].map((more) => threshold + more),
  ...[1000, 4095, 4096, 4097, 9000],
]
const words = [
  [1, 2],
  [0x01020304, 0xffffffff],
  [7, 0],
  [0, 0x100],
] as const
const offsets = [0, 1, 8, 60, 63, 64, 100, 4032, 4090, 4095]

const from = createTransferBuffer('test data', 4 * blockBytes)
from.bytes.set(new Random(1).bytes(from.bytes.length))
tap.teardown(() => releaseTransferBuffer(from))

function mediumOf(blocks: number, memory: MemoryKind): ShadowMedium {
  return ShadowMedium.holding([new Uint8Array(blocks * blockBytes).fill(0xee)], memory)
}

/** Where what is durable at the end differs from what was stored; null for nowhere. */
function lost(medium: RecordingMedium, recording: Recording): string | null {
  const replay = new Replay(recording)
  while (replay.advance());
  if (replay.forgotten.length > 0) return `line ${replay.forgotten[0]!} was stored to and is not durable`
  const image = replay.image({ kind: 'certain' })
  for (const [window, bytes] of medium.bytes.entries()) {
    const durable = image.bytes[window]!
    if (Buffer.compare(bytes, durable) === 0) continue
    return `byte ${bytes.findIndex((byte, at) => byte !== durable[at])} of window ${window} is not durable`
  }
  return null
}

/** What is lost of a call once a fence has followed it. */
function lostOf(medium: RecordingMedium, call: () => void): string | null {
  medium.startRecording()
  call()
  medium.fence()
  return lost(medium, medium.stopRecording())
}

/** Whether two media differ in a block. */
function blockDiffers(one: RecordingMedium, other: RecordingMedium, block: number): boolean {
  const start = one.byteOf(block)
  const [bytes, others] = [one, other].map((medium) =>
    medium.bytesOf(block).subarray(start, start + blockBytes),
  )
  return Buffer.compare(bytes!, others!) !== 0
}

function store(medium: RecordingMedium, block: number, offset: number, length: number, value: number): void {
  const first = offset >>> 2
  for (let word = first; word * 4 < offset + length; word++)
    medium.store32(block + Math.floor(word / wordsPerBlock), word % wordsPerBlock, value + word)
  medium.flush(block, offset, length)
}

for (const memory of kinds) {
  void tap.test(`${memory}: what was stored is durable after the fence`, (t) => {
    const medium = mediumOf(48, memory)
    const line = new Int32Array(16)
    let value = 1
    const calls: Record<string, (offset: number, length: number) => void> = {
      flush: (offset, length) => store(medium, 0, offset, length, value),
      // What touches the last range of the list widens it: from within it, from its end, and not beyond.
      'flush, twice': (offset, length) => {
        store(medium, 28, offset, 8, value)
        store(medium, 28, offset, length, value + 1)
      },
      'flush, of neighbours': (offset, length) => {
        store(medium, 30, offset & ~63, 128, value)
        store(medium, 30, (offset & ~63) + 64, length, value + 1)
        store(medium, 33, offset & ~63, 64, value)
        store(medium, 33, (offset & ~63) + 64, length, value)
      },
      'flush, twice the same': (offset, length) => {
        store(medium, 28, offset, length, value)
        store(medium, 28, offset, 4, value + 2)
      },
      copyIn: (offset, length) => medium.copyIn(4, offset, from, value % 64, length),
      copyWithin: (offset, length) => medium.copyWithin(8, offset, 37 + (value % 8), value % 64, length),
      overlapping: (offset, length) => medium.copyWithin(12, offset, 12, Math.max(0, offset - 5), length),
      zero: (offset, length) => {
        medium.bytesOf(16).fill(0xaa, medium.byteOf(16), medium.byteOf(16) + 4 * blockBytes)
        medium.flush(16, 0, 4 * blockBytes)
        medium.fence()
        medium.zero(16, offset, length)
      },
      store64: (offset) => medium.store64(20, (offset >>> 3) * 2, value, ~value),
      storeLine: (offset) => medium.storeLine(21, (offset >>> 6) * 16, line.fill(value)),
      storeLines: (offset, length) => {
        const first = (offset >>> 6) * 16
        for (let n = 0; n * 64 < length; n++)
          medium.storeLine(
            22 + Math.floor((first + n * 16) / wordsPerBlock),
            (first + n * 16) % wordsPerBlock,
            line.fill(value + n),
          )
      },
      setBits: (offset) => {
        medium.setBits(26, offset >>> 2, 1 << (value % 31))
        medium.clearBits(27, offset >>> 2, 0xffff << (value % 16))
        medium.flush(26, offset & ~3, 4)
        medium.flush(27, offset & ~3, 4)
      },
    }
    // The sources of copies differ from what they are copied over.
    for (let block = 37; block < 48; block++) store(medium, block, 0, blockBytes, block * 1_000_003)
    medium.fence()
    for (const [name, call] of Object.entries(calls)) {
      for (const offset of offsets) {
        for (const length of lengths) {
          value += 7919
          const problem = lostOf(medium, () => call(offset, length))
          if (problem !== null) t.fail(`${name} of ${length} bytes at ${offset}: ${problem}`)
        }
      }
      t.pass(name)
    }
    t.end()
  })

  void tap.test(`${memory}: an 8-byte store is one store`, (t) => {
    const medium = mediumOf(1, memory)
    medium.zero(0, 0, blockBytes)
    medium.fence()
    medium.startRecording()
    // Side by side in one line; of some only one half, or one byte, is another one than before.
    for (const [n, [low, high]] of words.entries()) medium.store64(0, 16 + 2 * n, low, high)
    medium.fence()
    const stores = medium.stopRecording().events.filter(({ kind }) => kind === 'ordered')
    t.same(
      stores.map(({ at, bytes }) => ({ at, bytes: [...bytes!] })),
      words.map((word, n) => ({ at: 64 + 8 * n, bytes: [...new Uint8Array(Uint32Array.from(word).buffer)] })),
    )
    t.end()
  })

  void tap.test(`${memory}: however many there are, in any order`, (t) => {
    const blocks = 300
    const medium = mediumOf(blocks, memory)
    const random = new Random(7)
    const all = Array.from({ length: blocks - 10 }, (_, n) => n)
    const orders: Record<string, readonly number[]> = {
      forwards: all,
      backwards: all.toReversed(),
      'every other one': all.filter((n) => n % 2 === 0),
      mixed: Array.from(all, () => random.below(blocks - 10)),
    }
    let value = 1
    for (const [name, order] of Object.entries(orders)) {
      const problem = lostOf(medium, () => {
        for (const block of order) {
          value += 7919
          medium.store32(block, 1023, value)
          medium.flush(block, 4092, 4)
          medium.zero(block, 128 + 4 * (value % 16), 300)
          medium.copyIn(block, 1024, from, value % 64, 1000)
          medium.store64(block, 1000, value, value)
          medium.storeLine(block, 992, new Int32Array(16).fill(value))
        }
      })
      t.equal(problem, null, name)
    }
    t.end()
  })

  void tap.test(`${memory}: what stands before an order is durable before what stands behind it`, (t) => {
    const medium = mediumOf(300, memory)
    const steps: Record<string, (block: number) => void> = {
      store: (block) => store(medium, block, 60, 200, 5),
      'short copy': (block) => medium.copyIn(block, 5, from, 0, 100),
      'long copy': (block) => medium.copyIn(block, 5, from, 0, 3000),
      line: (block) => medium.storeLine(block, 64, new Int32Array(16).fill(9)),
      zeros: (block) => medium.zero(block, 3, 3000),
      word: (block) => medium.store64(block, 8, 1, 2),
    }
    for (const [name, step] of Object.entries(steps)) {
      for (const crowd of [0, 100]) {
        medium.bytesOf(0).fill(0xee)
        const before = medium.clone()
        medium.startRecording()
        step(200)
        for (let n = 0; n < crowd; n++) store(medium, 2 * n, 0, 4, n + 1)
        medium.order()
        medium.store64(250, 8, 3, 4)
        medium.order()
        medium.copyIn(260, 0, from, 0, blockBytes)
        medium.fence()
        const recording = medium.stopRecording()
        let moments = 0
        const replay = new Replay(recording)
        while (replay.advance()) {
          const [certain, possible] = [replay.image({ kind: 'certain' }), replay.image({ kind: 'all' })]
          for (const [first, second] of [
            [200, 250],
            [250, 260],
            ...(crowd > 0 ? [[2 * crowd - 2, 250] as const] : []),
          ] as const) {
            if (!blockDiffers(possible, before, second)) continue
            moments++
            if (blockDiffers(certain, medium, first)) t.fail(`${name}: block ${second} goes before ${first}`)
          }
        }
        t.ok(moments >= 2, `${name}, ${crowd} others: seen ${moments} times`)
        t.equal(lost(medium, recording), null)
      }
    }
    t.end()
  })
}

void tap.test('each window gets what is its own', (t) => {
  for (const memory of kinds) {
    const medium = ShadowMedium.holding(
      [new Uint8Array(4 * blockBytes), new Uint8Array(4 * blockBytes)],
      memory,
    )
    const problem = lostOf(medium, () => {
      // The same place of both, one directly after the other, and neighbours that are none.
      for (const block of [1, windowBlocks + 1, 2, windowBlocks + 2]) store(medium, block, 128, 4, block)
      store(medium, 3, 0, 64, 5)
      store(medium, windowBlocks + 3, 64, 64, 6)
      medium.copyIn(0, 1000, from, 0, 3000)
      medium.copyIn(windowBlocks, 1000, from, 3000, 3000)
    })
    t.equal(problem, null, memory)
  }
  t.end()
})

/** Two windows of different kinds, of so many blocks each. */
const mixtures = kinds.flatMap((one) => kinds.filter((other) => other !== one).map((other) => [one, other]))
const mixedBlocks = 24

function mixedMedium(mixture: readonly MemoryKind[]): ShadowMedium {
  const windows = mixture.map(() => new Uint8Array(mixedBlocks * blockBytes).fill(0xee))
  return ShadowMedium.holding(windows, ...mixture)
}

for (const mixture of mixtures) {
  const name = mixture.join(' and ')
  const bases = [0, windowBlocks]

  void tap.test(`${name}: what is stored becomes durable in the way of its window`, (t) => {
    const medium = mixedMedium(mixture)
    const calls: Record<string, (base: number, other: number, round: number) => void> = {
      store: (base, _other, round) => store(medium, base, 60, 200, round),
      'store, in turn': (base, other, round) => {
        for (const block of [base, other, base + 1, other + 1]) store(medium, block, 128, 64, round + block)
      },
      copyIn: (base, _other, round) => medium.copyIn(base + 2, 100, from, round, 5000),
      'copyIn, short': (base, _other, round) => medium.copyIn(base + 2, 100, from, round, 50),
      'from the other window': (base, other, round) => {
        store(medium, other + 5, 0, blockBytes, round)
        medium.fence()
        medium.copyWithin(base + 6, 7, other + 5, 1, 3000)
      },
      zero: (base, _other, round) => {
        store(medium, base + 8, 0, blockBytes, round)
        medium.fence()
        medium.zero(base + 8, 77, 3000)
      },
      store64: (base, _other, round) => medium.store64(base + 9, 2, round, 7),
      storeLine: (base, _other, round) => medium.storeLine(base + 9, 16, new Int32Array(16).fill(round)),
      bits: (base, _other, round) => {
        medium.setBits(base + 10, 5, 1 << (round % 30))
        medium.flush(base + 10, 20, 4)
      },
    }
    let round = 1
    for (const [what, call] of Object.entries(calls))
      for (const [base, other] of [bases, bases.toReversed()] as [number, number][]) {
        const problem = lostOf(medium, () => call(base, other, ++round))
        t.equal(problem, null, `${what}, window ${base / windowBlocks}`)
      }
    t.end()
  })

  void tap.test(`${name}: one window is durable before what stands behind an order in the other`, (t) => {
    const medium = mixedMedium(mixture)
    for (const [base, other] of [bases, bases.toReversed()] as [number, number][]) {
      const steps: Record<string, () => void> = {
        store: () => store(medium, base, 60, 200, 5),
        'long copy': () => medium.copyIn(base, 5, from, 0, 3000),
        line: () => medium.storeLine(base, 64, new Int32Array(16).fill(9)),
        zeros: () => medium.zero(base, 3, 3000),
        word: () => medium.store64(base, 8, 1, 2),
      }
      for (const [what, step] of Object.entries(steps)) {
        for (const block of [base, other]) {
          const start = medium.byteOf(block)
          medium.bytesOf(block).fill(0xee, start, start + blockBytes)
          medium.flush(block, 0, blockBytes)
        }
        medium.fence()
        const before = medium.clone()
        medium.startRecording()
        step()
        medium.order()
        medium.store64(other, 8, 3, 4)
        medium.fence()
        const recording = medium.stopRecording()
        const replay = new Replay(recording)
        let moments = 0
        while (replay.advance()) {
          if (!blockDiffers(replay.image({ kind: 'all' }), before, other)) continue
          moments++
          const isBehind = blockDiffers(replay.image({ kind: 'certain' }), medium, base)
          if (isBehind) t.fail(`${what}, window ${base / windowBlocks}: it is durable too late`)
        }
        t.ok(moments > 0, `${what}, window ${base / windowBlocks}`)
        t.equal(lost(medium, recording), null)
      }
    }
    t.end()
  })
}

void tap.test('a fence is one sync of each device that has to be synced', (t) => {
  const windows = [
    new Uint8Array(8 * blockBytes),
    new Uint8Array(8 * blockBytes),
    new Uint8Array(8 * blockBytes),
  ]
  const medium = ShadowMedium.holding(windows, 'pages', 'cache-lines', 'pages')
  const blocks = [0, windowBlocks, 2 * windowBlocks]
  const fencesOf = (call: () => void): number => {
    medium.startRecording()
    call()
    medium.fence()
    return medium.stopRecording().fences
  }
  const all = (): void => {
    for (const block of [...blocks, ...blocks]) store(medium, block + (medium.fences % 8), 0, 9000, 1)
  }
  t.equal(
    fencesOf(() => undefined),
    1,
    'the fence of the processor alone',
  )
  t.equal(fencesOf(all), 3)
  t.equal(
    fencesOf(() => store(medium, blocks[1]!, 0, 4, 1)),
    1,
  )
  t.equal(
    fencesOf(() => {
      all()
      medium.order()
      all()
    }),
    6,
  )
  t.end()
})
