// SPDX-License-Identifier: GPL-2.0-only
/** Power lost while a volume grows: it is as it was, or larger. */
import tap, { type Test, test } from 'tap'
import { blockBytes, windowBytes } from '../../layout/geometry.js'
import { type PlacedSegment } from '../../src/fs/geometry.js'
import { type Gain, growVolume, planGrowth, prepareSegments } from '../../src/fs/grow.js'
import { loadSuperblock } from '../../src/fs/superblock.js'
import { readSuperblock, writeSuperblock } from '../../src/fs/superblock-copies.js'
import { wipe } from '../../src/fs/wipe.js'
import { variants } from '../support/crash-explorer.js'
import { extent, sampleOf } from '../support/extent.js'
import {
  type Growth,
  contents,
  further,
  gainedBlocks,
  grow,
  growths,
  mediumFor,
  oldBlocks,
  problems,
  readAll,
  segmentsOf,
} from '../support/growing-volume.js'
import { casesFor, isPlainMemory, mediumHolding, mediumOf } from '../support/medium-in-use.js'
import { Replay } from '../support/power-failure.js'
import { Random, seed } from '../support/random.js'
import { RecordingMedium } from '../support/recording-medium.js'
import { TestVolume, epoch, formatSmall } from '../support/test-volume.js'

tap.setTimeout(extent(1_800_000, 600_000))

/** The same medium as it is mapped while the superblock says so. */
function mapped(medium: RecordingMedium, segments: number): RecordingMedium {
  return new RecordingMedium(medium.bytes.slice(0, segments))
}

/** Opens an image of either moment, and closes it. @returns whether it has more segments than `own` */
function settle(t: Test, image: RecordingMedium, own: number, where: string): boolean {
  const segments = segmentsOf(image)
  const medium = mapped(image, segments)
  const again = TestVolume.open(medium)
  if (!contents.equals(readAll(again.caller) as Buffer)) t.fail(`${where}: the file has changed`)
  again.close()
  const found = problems(medium)
  if (found.length > 0) t.same(found, [], where)
  return segments > own
}

/** One in so many is tried, another part in each test; all of them in an exhaustive run on plain memory. */
const shareOfGrowths = 4
let tests = 0

function growthsToExplore(): readonly Growth[] {
  const at = tests++
  const all = [...growths.slice(at), ...growths.slice(0, at)]
  return isPlainMemory()
    ? sampleOf(all, shareOfGrowths)
    : casesFor(all.filter((_, n) => n % shareOfGrowths === 0))
}

/** Explores each case. @param ready makes the medium ready @returns what makes it larger, and then lets go of it */
function exploreCases(
  t: Test,
  ready: (medium: RecordingMedium, gains: readonly Gain[]) => { grow: () => void; drop: () => void },
): void {
  const random = new Random(seed)
  for (const growth of growthsToExplore()) {
    const { own, gains } = growth
    const medium = mediumFor(gains, own)
    const growing = ready(medium, gains)
    medium.startRecording()
    growing.grow()
    const recording = medium.stopRecording()
    growing.drop()
    explore(t, recording, growth, random)
    if (!t.passing()) break
  }
  t.end()
}

void test('a loss of power leaves it as it was, or larger, and it can grow after either', (t) =>
  exploreCases(t, (medium, gains) => ({ grow: () => grow(medium, gains), drop: () => undefined })))

void test('the same while it is in use', (t) =>
  exploreCases(t, (medium, gains) => {
    const volume = TestVolume.open(medium)
    return { grow: () => volume.volume.grow(gains, epoch), drop: () => volume.drop() }
  }))

void test('the same where what joins was made ready before, and the superblock was written since', (t) =>
  exploreCases(t, (medium, gains) => {
    const volume = TestVolume.open(medium)
    const { superblock } = volume.volume
    const next = planGrowth(superblock, gains)
    prepareSegments(medium, superblock, next, next.segments.slice(superblock.segments.length), epoch)
    for (let n = 0; n < 3; n++) volume.volume.markMounted(epoch)
    const joining = { medium, prepare: () => [], enter: () => undefined }
    return { grow: () => volume.volume.grow(gains, epoch, [], joining), drop: () => volume.drop() }
  }))

/** Drops what further devices hold. */
function overwrite(medium: RecordingMedium, segments: readonly PlacedSegment[]): void {
  wipe(
    medium,
    segments.map(({ first, blocks }) => ({ first, blocks, bad: [] })),
  )
}

void test('the same where further devices are overwritten', (t) =>
  exploreCases(t, (medium, gains) => {
    const { superblock } = readSuperblock(medium)
    const own = superblock.segments.length
    const added = planGrowth(superblock, gains).segments.slice(own)
    const others = added.filter((_, n) => gains[n]!.identifier !== null)
    const growing = (): void =>
      growVolume(medium, superblock, gains, epoch, { overwrite: () => overwrite(medium, others) })
    return { grow: growing, drop: () => undefined }
  }))

/** As GrowthInHand does it. While the volume is in use, all is made ready but a last device, which is overwritten. */
void test('the same where what joins is mapped apart until the volume may name it', (t) =>
  exploreCases(t, (medium, gains) => {
    const volume = TestVolume.open(medium)
    const { superblock } = volume.volume
    const own = superblock.segments.length
    const apart = medium.beside(own)
    const growing = (): void => {
      const next = planGrowth(superblock, gains)
      const added = next.segments.slice(own)
      const last = gains.at(-1)!.identifier === null ? [] : added.slice(-1)
      prepareSegments(apart, superblock, next, added.slice(0, added.length - last.length), epoch)
      for (let n = 0; n < 3; n++) volume.volume.markMounted(epoch)
      const prepare = (current: typeof superblock, next: typeof superblock): readonly [] => {
        overwrite(apart, last)
        prepareSegments(apart, current, next, last, epoch)
        return []
      }
      volume.volume.grow(gains, epoch, [], { medium: apart, prepare, enter: () => medium.takeAll() })
    }
    return { grow: growing, drop: () => volume.drop() }
  }))

function explore(
  t: Test,
  recording: ReturnType<RecordingMedium['stopRecording']>,
  { name, own: { length: own }, gains }: Growth,
  random: Random,
): void {
  const replay = new Replay(recording)
  const { copyBlocks } = readSuperblock(replay.image({ kind: 'certain' })).superblock
  const isOfCopy = (line: number): boolean => copyBlocks.includes(Math.floor(line / blockBytes))
  const seen = new Set<boolean>()
  while (replay.advance()) {
    if (replay.lines.some(isOfCopy)) {
      // What the superblock does not name may be on its way.
      const end = segmentsOf(replay.image({ kind: 'all' })) * windowBytes
      const isAlone = replay.lines.every((line) => isOfCopy(line) || line >= end)
      t.ok(isAlone, `${name}: nothing else is on its way with a superblock`)
    }
    const returned = replay.fence === recording.fences
    for (const survivors of variants(replay.lines, random)) {
      const image = replay.image(survivors)
      const where = `${name}: fence ${replay.fence} of ${recording.fences}, ${survivors.kind}`
      const before = segmentsOf(image)
      t.ok(before === own || before === own + gains.length, `${where}: all gains or none`)
      const hasGrown = settle(t, image, own, where)
      seen.add(hasGrown)
      if (returned) t.ok(hasGrown, where)
      if (!hasGrown) {
        grow(image, gains)
        t.ok(settle(t, image, own, `${where}, and then it grows`))
      }
      // The first state that is wrong says enough: thousands may follow from it.
      if (!t.passing()) return
    }
  }
  t.equal(seen.size, 2, `${name}: PMFS2_SEED=${seed}`)
}

void test('a copy of the superblock that is behind is brought up before anything else is written', (t) => {
  const random = new Random(seed)
  const other = { ...further, device: 2 }
  const medium = mediumOf([oldBlocks, oldBlocks, gainedBlocks])
  formatSmall(medium, [oldBlocks, oldBlocks])
  const behind = medium.clone()
  const { superblock } = readSuperblock(medium)
  writeSuperblock(medium, superblock)
  const places = superblock.copyBlocks
  t.equal(places.length, 3)
  for (const place of casesFor(places.toReversed())) {
    const image = mediumHolding(medium.clone().bytes)
    loadSuperblock(behind, place).storeAtOnce(image, place)
    image.fence()
    image.startRecording()
    grow(image, [other])
    const replay = new Replay(image.stopRecording())
    while (replay.advance())
      for (const survivors of variants(replay.lines, random)) {
        const cut = replay.image(survivors)
        const where = `block ${place} is behind: fence ${replay.fence}, ${survivors.kind}`
        t.doesNotThrow(() => readSuperblock(cut), where)
      }
  }
  t.end()
})
