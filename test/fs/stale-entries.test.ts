// SPDX-License-Identifier: GPL-2.0-only
/** Entries of the undo log whose transaction was lost together with its first entry never count for a later one. */
import { test } from 'tap'
import { blockBytes } from '../../layout/geometry.js'
import { entriesPerLane, laneHeader, undoEntryBytes } from '../../layout/lane.js'
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

void test('a lane goes on when a transaction left all entries but the first', (t) => {
  const volume = TestVolume.make(256)
  const lane = volume.volume.setting.geometry.laneStart
  volume.caller.forget(volume.caller.file(root, 'before'))
  volume.medium.startRecording()
  volume.caller.forget(volume.caller.file(root, 'lost'))
  const replay = new Replay(volume.medium.stopRecording())
  volume.drop()
  replay.advance()
  const firstEntry = lane * blockBytes + undoEntryBytes
  const image = replay.image({ kind: 'except', line: firstEntry })
  t.notOk(entryHolds(image, lane, 0, image.load32(lane, 0) + 1, 0), 'the first entry is lost')
  t.ok(claimable(image, lane) > 1, 'and others are not')
  const again = TestVolume.open(image)
  t.equal(claimable(image, lane), 0, 'no transaction to come can take it for its own')
  t.equal(again.caller.lookup(root, 'lost'), -2)
  again.close()
  t.end()
})
