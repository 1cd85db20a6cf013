// SPDX-License-Identifier: GPL-2.0-only
/** In which order the copies of the superblock are written, and that a whole one is there at every moment. */
import { test } from 'tap'
import { blockBytes, superblockBlock, windowBlocks } from '../../layout/geometry.js'
import { superblock as layout } from '../../layout/superblock.js'
import { loadHeader } from '../../src/fs/device-header.js'
import { type Gain, type Joining, growVolume, joiningInPlace, storeGrowth } from '../../src/fs/grow.js'
import { loadSuperblock } from '../../src/fs/superblock.js'
import { readSuperblock, writeSuperblock } from '../../src/fs/superblock-copies.js'
import { Volume } from '../../src/fs/volume.js'
import { Replay, type Survivors } from '../support/power-failure.js'
import { RecordingMedium } from '../support/recording-medium.js'
import { epoch, formatSmall } from '../support/test-volume.js'

const at = layout.word
const lastBlock = 299
const further = [1, 2].map((device) => device * windowBlocks + superblockBlock)
/** Copies in the order in which they are written where all are whole. */
const volumes: readonly (readonly [deviceBlocks: readonly number[], order: readonly number[]])[] = [
  [[lastBlock + 1], [lastBlock, superblockBlock]],
  [
    [lastBlock + 1, 280, 260],
    [lastBlock, ...further, superblockBlock],
  ],
]

function formatted(deviceBlocks: readonly number[]): RecordingMedium {
  const medium = RecordingMedium.ofDevices(deviceBlocks)
  formatSmall(medium, deviceBlocks)
  return medium
}

function damage(medium: RecordingMedium, block: number): void {
  medium.store32(block, at.uuid, ~medium.load32(block, at.uuid))
}

/** All of these sets but the whole one. */
function properSubsets(blocks: readonly number[]): number[][] {
  return Array.from({ length: 2 ** blocks.length - 1 }, (_, set) =>
    blocks.filter((_, n) => ((set >>> n) & 1) === 1),
  )
}

/** Writes the superblock, with a change that a single cache line does not hold. */
function written(medium: RecordingMedium): Replay {
  const { superblock } = readSuperblock(medium)
  superblock.set(at.label, superblock.get(at.label) + 1)
  medium.startRecording()
  writeSuperblock(medium, superblock)
  return new Replay(medium.stopRecording())
}

/** Blocks of what is on its way. */
function blocksUnderWay({ lines }: Replay): number[] {
  return [...new Set(lines.map((line) => Math.floor(line / blockBytes)))]
}

void test('copies are written one by one: damaged ones first, and the second and first one of the first device around all others', (t) => {
  for (const [deviceBlocks, order] of volumes) {
    for (const damaged of properSubsets(order)) {
      const medium = formatted(deviceBlocks)
      for (const block of damaged) damage(medium, block)
      const replay = written(medium)
      const found: number[][] = []
      while (replay.advance()) if (replay.lines.length > 0) found.push(blocksUnderWay(replay))
      const whole = order.filter((block) => !damaged.includes(block))
      const expected = [...order.filter((block) => damaged.includes(block)), ...whole]
      t.same(
        found,
        expected.map((block) => [block]),
        `${deviceBlocks.length} devices, damaged: ${damaged.join()}`,
      )
    }
  }
  t.end()
})

void test('a loss of power leaves a whole copy, whichever ones were damaged before', (t) => {
  for (const [deviceBlocks, order] of volumes) {
    for (const damaged of properSubsets(order)) {
      const medium = formatted(deviceBlocks)
      for (const block of damaged) damage(medium, block)
      const sequence = readSuperblock(medium).superblock.getNumber(at.sequence)
      const replay = written(medium)
      while (replay.advance()) {
        const [line] = replay.lines
        const torn: Survivors[] =
          line === undefined
            ? []
            : [
                { kind: 'only', line },
                { kind: 'except', line },
              ]
        for (const survivors of [{ kind: 'certain' }, { kind: 'all' }, ...torn] as const) {
          const image = replay.image(survivors)
          const where = `damaged: ${damaged.join()}; fence ${replay.fence}, ${survivors.kind}`
          const sequences = order
            .map((block) => loadSuperblock(image, block))
            .flatMap((copy) => (copy.isWhole() ? [copy.getNumber(at.sequence)] : []))
          t.ok(sequences.length > 0, where)
          t.ok(
            sequences.every((found) => found === sequence || found === sequence + 1),
            `${where}: ${sequences.join()}`,
          )
        }
      }
    }
  }
  t.end()
})

void test('copies that are damaged or behind are mended by the mount, and where a mount becomes writable', (t) => {
  for (const [deviceBlocks, order] of volumes) {
    for (const lost of order) {
      const medium = formatted(deviceBlocks)
      const old = loadSuperblock(medium, lost)
      written(medium)
      old.store(medium, lost)
      medium.fence()
      for (const isLater of [false, true]) {
        const image = medium.clone()
        image.startRecording()
        const volume = Volume.open(image, { readOnly: isLater, now: epoch })
        if (isLater) volume.becomeWritable(epoch, false)
        const replay = new Replay(image.stopRecording())
        volume.abandon()
        while (replay.advance()) {
          const now = replay.image({ kind: 'certain' })
          const sequences = order.map((block) => loadSuperblock(now, block).getNumber(at.sequence))
          const apart = Math.max(...sequences) - Math.min(...sequences)
          t.ok(apart <= 1, `block ${lost} was behind: ${sequences.join()}, fence ${replay.fence}`)
        }
      }
    }
  }
  t.end()
})

/** A volume of three devices, and a fourth one. */
function joining(): { medium: RecordingMedium; gain: Gain } {
  const [, [deviceBlocks]] = volumes as [unknown, (typeof volumes)[number]]
  const blocks = 256
  const medium = new RecordingMedium([...formatted(deviceBlocks).bytes, new Uint8Array(blocks * blockBytes)])
  const identifier = new Uint8Array(16).fill(77)
  return { medium, gain: { device: deviceBlocks.length, deviceBlock: 0, blocks, identifier } }
}

/** The same while that joins. */
function grown(): { medium: RecordingMedium; before: RecordingMedium; replay: Replay } {
  const { medium, gain } = joining()
  const before = medium.clone()
  medium.startRecording()
  growVolume(medium, readSuperblock(medium).superblock, [gain], epoch)
  return { medium, before, replay: new Replay(medium.stopRecording()) }
}

void test('a device that is to join has its header before it has a copy of the superblock', (t) => {
  const { medium, replay } = grown()
  const first = (medium.bytes.length - 1) * windowBlocks
  const seen = new Set<string>()
  while (replay.advance()) {
    const image = replay.image({ kind: 'all' })
    const hasCopy = loadSuperblock(image, first + superblockBlock).isWhole()
    const hasHeader = loadHeader(replay.image({ kind: 'certain' }), first).isWhole()
    seen.add(`${hasHeader} ${hasCopy}`)
    t.ok(hasHeader || !hasCopy, `fence ${replay.fence}`)
  }
  t.same([...seen], ['false false', 'true false', 'true true'])
  t.end()
})

void test('once a volume says that it is larger, a copy of a device from before is stale', (t) => {
  const { medium, before, replay } = grown()
  let larger = 0
  while (replay.advance()) {
    const image = replay.image({ kind: 'certain' })
    if (readSuperblock(image).superblock.get(at.deviceCount) < medium.bytes.length) continue
    larger++
    image.bytes[1]!.set(before.bytes[1]!)
    t.throws(
      () => readSuperblock(image),
      { message: /^device number 2 is stale: it is from before the volume grew$/ },
      `fence ${replay.fence}`,
    )
  }
  t.ok(larger > 1)
  t.end()
})

void test('the medium has what joins, ready, before the superblock names it', (t) => {
  const { medium, gain } = joining()
  const { superblock } = readSuperblock(medium)
  const inPlace = joiningInPlace(medium, epoch)
  const steps: string[] = []
  const noted = {
    medium,
    prepare: (...both: Parameters<Joining['prepare']>) => {
      steps.push('prepare')
      return inPlace.prepare(...both)
    },
    enter: () => steps.push('enter'),
  }
  storeGrowth(noted, superblock, [gain], (change) => {
    change(superblock)
    steps.push(`${superblock.get(at.deviceCount)} devices`)
    writeSuperblock(medium, superblock)
  })
  t.same(steps, ['3 devices', 'prepare', 'enter', '4 devices'])
  t.end()
})
