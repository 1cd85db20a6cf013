// SPDX-License-Identifier: GPL-2.0-only
/** Entries of the undo log whose transaction was lost together with its first entry never count for a later one. */
import { test } from 'tap'
import { blockBytes } from '../../layout/geometry.js'
import { entriesPerLane, laneHeader, undoEntryBytes } from '../../layout/lane.js'
import { stateClean, superblock as superblockLayout } from '../../layout/superblock.js'
import { readSuperblock, writeSuperblock } from '../../src/fs/superblock-copies.js'
import { entryHolds } from '../../src/fs/undo.js'
import { Replay } from '../support/power-failure.js'
import type { RecordingMedium } from '../support/recording-medium.js'
import { TestVolume, root } from '../support/test-volume.js'

/** How many entries of a lane a transaction that begins now could take for its own. */
function claimable(medium: RecordingMedium, lane: number): number {
  const generation = medium.load32(lane, laneHeader.word.generation) + 1
  let found = 0
  for (let n = 0; n < entriesPerLane; n++) if (entryHolds(medium, lane, n, generation, 0)) found++
  return found
}

/** A volume of which the power has taken the first entry of a transaction, and no other. */
function lostFirstEntry(): { image: RecordingMedium; lane: number } {
  const volume = TestVolume.make(256)
  const lane = volume.volume.setting.geometry.laneStart
  volume.caller.forget(volume.caller.file(root, 'before'))
  volume.medium.startRecording()
  volume.caller.forget(volume.caller.file(root, 'lost'))
  const replay = new Replay(volume.medium.stopRecording())
  volume.drop()
  replay.advance()
  const firstEntry = lane * blockBytes + undoEntryBytes
  return { image: replay.image({ kind: 'except', line: firstEntry }), lane }
}

for (const isClean of [false, true]) {
  void test(`a lane goes on when a transaction left all entries but the first, ${isClean ? 'clean' : 'dirty'}`, (t) => {
    const { image, lane } = lostFirstEntry()
    if (isClean) {
      const { superblock } = readSuperblock(image)
      superblock.set(superblockLayout.word.state, stateClean)
      writeSuperblock(image, superblock)
    }
    t.notOk(entryHolds(image, lane, 0, image.load32(lane, 0) + 1, 0), 'the first entry is lost')
    t.ok(claimable(image, lane) > 1, 'and others are not')
    const again = TestVolume.open(image)
    t.equal(claimable(image, lane), 0, 'no transaction to come can take it for its own')
    t.equal(again.caller.lookup(root, 'lost'), -2)
    again.close()
    t.end()
  })
}

void test('a lane without such entries is left as it is', (t) => {
  const volume = TestVolume.make(256)
  const { geometry } = volume.volume.superblock
  volume.caller.forget(volume.caller.file(root, 'file'))
  volume.close()
  const before = volume.medium.load32(geometry.laneStart, laneHeader.word.generation)
  TestVolume.open(volume.medium).drop()
  t.equal(volume.medium.load32(geometry.laneStart, laneHeader.word.generation), before)
  t.end()
})
