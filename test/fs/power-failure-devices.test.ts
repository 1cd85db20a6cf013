// SPDX-License-Identifier: GPL-2.0-only
/** Power lost while a volume of several devices is made; and that the other tests of power failures change two. */
import tap from 'tap'
import { superblockBlock, windowBlocks } from '../../layout/geometry.js'
import { VolumeError } from '../../src/fs/volume-error.js'
import { settle, variants } from '../support/crash-explorer.js'
import { deviceBlocksFor } from '../support/device-count.js'
import { useDevices } from '../support/medium-in-use.js'
import { Replay } from '../support/power-failure.js'
import { Random, seed } from '../support/random.js'
import type { RecordingMedium } from '../support/recording-medium.js'
import { TestVolume, formatSmall, root } from '../support/test-volume.js'
import { type Tree, difference } from '../support/tree.js'

tap.setTimeout(600_000)

const devices = [512, 300, 400]
const blocks = 512

/** The tree that is there; null where nothing can be mounted. */
function treeOn(image: RecordingMedium): Tree | null {
  try {
    return settle(image).tree
  } catch (error) {
    if (error instanceof VolumeError) return null
    throw error
  }
}

void tap.test('a volume of several devices is made whole or not at all', (t) => {
  const volume = TestVolume.make(...devices)
  const { caller, medium } = volume
  caller.write(caller.file(root, 'file'), 0, new Random(1).bytes(30_000))
  volume.close()
  const old = settle(medium.clone()).tree
  medium.startRecording()
  formatSmall(medium, devices, false, 9)
  const recording = medium.stopRecording()
  const fresh = settle(medium.clone()).tree
  t.ok(difference(old, fresh))
  const replay = new Replay(recording)
  const random = new Random(seed)
  const seen = { nothing: 0, old: 0, fresh: 0 }
  while (replay.advance()) {
    for (const survivors of variants(replay.lines, random)) {
      const tree = treeOn(replay.image(survivors))
      const where = `fence ${replay.fence} of ${recording.fences}, ${survivors.kind}`
      const what = tree === null ? 'nothing' : difference(tree, fresh) === null ? 'fresh' : 'old'
      if (what === 'old') t.equal(difference(tree!, old), null, where)
      seen[what]++
      if (replay.fence > 0) t.not(what, 'old', `${where}: what was there has gone first`)
    }
  }
  t.ok(seen.nothing > 0 && seen.fresh > 0, JSON.stringify(seen))
  t.end()
})

void tap.test('calls change both devices', (t) => {
  useDevices(() => 2)
  const volume = TestVolume.make(blocks)
  const { caller, medium } = volume
  medium.startRecording()
  caller.mkdir(root, 'directory')
  caller.mkdir(caller.lookup(root, 'directory'), 'below')
  const { events } = medium.stopRecording()
  const windows = new Set(
    events.filter(({ kind }) => kind !== 'fence').map(({ at }) => Math.floor(at / 2 ** 30)),
  )
  t.same([...windows].sort(), [0, 1])
  t.equal(medium.blockCount, windowBlocks + deviceBlocksFor(blocks, 2)[1]!)
  t.ok(medium.has(windowBlocks + superblockBlock))
  volume.drop()
  t.end()
})
