// SPDX-License-Identifier: GPL-2.0-only
/** The volume itself under loss of power: making it, mounting it, unmounting it, and recovering it. */
import { test } from 'tap'
import {
  blockBytes,
  firstLaneBlock,
  headerBlock,
  laneBlocks,
  superblockBlock,
  windowBlocks,
} from '../../layout/geometry.js'
import { stateClean, superblock as layout } from '../../layout/superblock.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { Volume } from '../../src/fs/volume.js'
import { VolumeError } from '../../src/fs/volume-error.js'
import { exploreRecording, settle, variants } from '../support/crash-explorer.js'
import { devicesFor, mediumHolding, mediumOf, useDevicesBySeed } from '../support/medium-in-use.js'
import { Replay } from '../support/power-failure.js'
import { Random, seed } from '../support/random.js'
import type { RecordingMedium } from '../support/recording-medium.js'
import { TestVolume, epoch, formatSmall, root } from '../support/test-volume.js'
import { nameOf, newInode } from '../support/engine-caller.js'
import { type Tree, difference } from '../support/tree.js'

useDevicesBySeed()

const random = new Random(seed)
const byNumber = (one: number, other: number): number => one - other

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

/** A volume with a file, an open file without a name, and a transaction that did not end. */
function busyVolume(): RecordingMedium {
  const volume = TestVolume.make(256)
  const { caller } = volume
  const file = must(caller.file(root, 'file'))
  must(caller.write(file, 0, new Random(1).bytes(30_000)))
  const open = must(caller.file(root, 'open'))
  must(caller.write(open, 0, new Random(2).bytes(9000)))
  must(caller.unlink(root, 'open'))
  volume.medium.startRecording()
  must(caller.rename(root, 'file', root, 'renamed'))
  const replay = new Replay(volume.medium.stopRecording())
  for (let fence = 0; fence < 3; fence++) replay.advance()
  volume.drop()
  return mediumHolding(replay.image({ kind: 'all' }).bytes)
}

void test('a volume is made whole or not at all', (t) => {
  for (const isReused of [false, true]) {
    const used = isReused ? busyVolume() : null
    const devices = used?.bytes.map(({ length }) => length / blockBytes) ?? devicesFor([256])
    const medium = used ?? mediumOf(devices)
    const old = isReused ? settle(medium.clone()).tree : null
    medium.startRecording()
    formatSmall(medium, devices, !isReused)
    const recording = medium.stopRecording()
    const fresh = settle(medium.clone()).tree
    const replay = new Replay(recording)
    const outcomes = { nothing: 0, old: 0, fresh: 0 }
    while (replay.advance()) {
      if (replay.fence === 0) {
        const blocks = new Set(replay.lines.map((line) => Math.floor(line / blockBytes)))
        const headers = devices.flatMap((_, n) =>
          [headerBlock, superblockBlock].map((at) => n * windowBlocks + at),
        )
        const copies = [...headers, devices[0]! - 1]
        t.same(
          [...blocks].sort(byNumber),
          copies.sort(byNumber),
          'a superblock goes before what it speaks of',
        )
      }
      for (const survivors of variants(replay.lines, random)) {
        const image = replay.image(survivors)
        const where = `fence ${replay.fence} of ${recording.fences}, ${survivors.kind}`
        const outcome = outcomeOf(image, old, fresh)
        if (outcome === 'nothing' || outcome === 'old' || outcome === 'fresh') outcomes[outcome]++
        else t.fail(`${where}: ${outcome}`)
        if (replay.fence === recording.fences) t.equal(outcome, 'fresh', where)
      }
    }
    t.ok(outcomes.nothing > 0 && outcomes.fresh > 0, JSON.stringify(outcomes))
  }
  t.comment(`PMFS2_SEED=${seed}`)
  t.end()
})

function outcomeOf(image: RecordingMedium, old: Tree | null, fresh: Tree): string {
  try {
    const { tree, problems } = settle(image)
    if (problems.length > 0) return problems[0]!
    const notFresh = difference(tree, fresh)
    if (notFresh === null) return 'fresh'
    if (old === null) return notFresh
    return difference(tree, old) === null ? 'old' : notFresh
  } catch (error) {
    if (error instanceof VolumeError && (error.code === 'foreign' || error.code === 'damaged'))
      return 'nothing'
    return String(error)
  }
}

void test('mounting and unmounting may be cut short', (t) => {
  const medium = busyVolume()
  const { tree } = settle(medium.clone())
  medium.startRecording()
  const volume = TestVolume.open(medium)
  volume.close()
  const { failures, images, fences } = exploreRecording(medium.stopRecording(), random, (got) =>
    difference(got, tree),
  )
  t.same(failures, [], `${images} images around ${fences} fences (PMFS2_SEED=${seed})`)
  t.equal(readSuperblock(medium).superblock.get(layout.word.state), stateClean)
  t.end()
})

void test('what is open and has no name is freed at the unmount, or at the next mount', (t) => {
  const volume = TestVolume.make(256)
  const { caller } = volume
  const nameless = must(caller.nameless(root))
  must(caller.write(nameless, 0, new Random(1).bytes(9000)))
  const directory = must(caller.mkdir(root, 'directory'))
  must(caller.rmdir(root, 'directory'))
  t.same(caller.readdir(directory), [], 'a removed directory is empty')
  const { tree } = settle(volume.medium.clone())
  volume.medium.startRecording()
  volume.close()
  const { failures } = exploreRecording(volume.medium.stopRecording(), random, (got) => difference(got, tree))
  t.same(failures, [], `PMFS2_SEED=${seed}`)
  t.equal(tree.size, 2, 'only the root is left')
  t.end()
})

void test('every lane is recovered', (t) => {
  const volume = TestVolume.make(256)
  for (let worker = 0; worker < 4; worker++) {
    const engine = volume.volume.engine(worker)
    engine.clock.setMilliseconds(epoch)
    must(engine.create(root, nameOf(`by worker ${worker}`), newInode(0o100644, 0)))
  }
  // Each lane's header back by one: as if the last transaction of each had not ended.
  const before = settle(volume.medium.clone()).tree
  const damaged = volume.medium.clone()
  const lane = (worker: number) => firstLaneBlock + worker * laneBlocks
  damaged.store64(lane(3), 0, damaged.load32(lane(3), 0) - 1, 0)
  damaged.fence()
  const opened = Volume.open(damaged, { readOnly: false, now: epoch })
  t.equal(opened.undone, 1)
  t.ok(damaged.load32(lane(3), 0) >= volume.medium.load32(lane(3), 0), 'the lane has gone on')
  opened.state.release()
  t.equal(before.size, 6)
  t.same(settle(damaged).problems, [])
  t.equal(settle(damaged).tree.size, 5)
  volume.drop()
  t.end()
})
