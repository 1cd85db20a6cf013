// SPDX-License-Identifier: GPL-2.0-only
/** A volume that becomes read-only and writable again while it is served. */
import { test } from 'tap'
import { EROFS } from '../../src/fs/errno.js'
import { stateClean, stateDirty, superblock as layout } from '../../layout/superblock.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { exploreCall } from '../support/crash-explorer.js'
import { EngineCaller } from '../support/engine-caller.js'
import { problemsOf } from '../support/invariants.js'
import { Random } from '../support/random.js'
import type { Recording } from '../support/recording-medium.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

const later = epoch + 3 * 86_400_000

function storesOf({ events }: Recording): number {
  return events.filter((event) => event.bytes !== null).length
}

function stateOf({ medium }: TestVolume): number {
  return readSuperblock(medium).superblock.get(layout.word.state)
}

/** An engine for the mode that the volume is in. */
function callerOf({ volume, medium }: TestVolume): EngineCaller {
  const caller = new EngineCaller(volume.engine(0), medium)
  caller.setClock(later)
  return caller
}

/** A volume with a file, and one that was removed but is in use. */
function withOrphan(): { volume: TestVolume; file: number; orphan: number } {
  const volume = TestVolume.make(512)
  const { caller } = volume
  const file = caller.file(root, 'file')
  caller.write(file, 0, Buffer.from('contents'))
  const orphan = caller.file(root, 'orphan')
  caller.write(orphan, 0, Buffer.alloc(100_000, 7))
  caller.unlink(root, 'orphan')
  return { volume, file, orphan }
}

void test('nothing is stored while it is read-only', (t) => {
  const { volume, file, orphan } = withOrphan()
  const { freeBlocks } = volume
  volume.volume.becomeReadOnly(true)
  t.ok(volume.volume.isReadOnly)
  t.equal(stateOf(volume), stateDirty, 'not in order, as a file without a name is in use')
  volume.medium.startRecording()
  const reader = callerOf(volume)
  t.same(reader.read(orphan, 0, 3), Buffer.of(7, 7, 7), 'which can still be read')
  t.equal(reader.engine.beginRead(file, 0, 0, 8, { data: () => undefined, hole: () => undefined }, true), 8)
  reader.engine.endRead(file)
  t.equal(reader.write(file, 0, Buffer.from('x')), -EROFS)
  t.equal(reader.file(root, 'new'), -EROFS)
  reader.forget(orphan)
  volume.volume.noteDamage('inode 5: something', later)
  t.equal(storesOf(volume.medium.stopRecording()), 0)
  reader.release()

  volume.volume.becomeWritable(later, false)
  const writer = callerOf(volume)
  t.ok(writer.usage().freeBlocks > freeBlocks, 'what was forgotten meanwhile is freed')
  t.ok(writer.file(root, 'new') > 0)
  writer.release()
  volume.volume.becomeReadOnly(true)
  t.equal(stateOf(volume), stateClean)
  t.same(problemsOf(volume.medium), [])
  volume.close()
  t.end()
})

void test('what is in use is kept over both changes', (t) => {
  const { volume, orphan } = withOrphan()
  volume.volume.becomeReadOnly(true)
  volume.volume.becomeWritable(later, false)
  const caller = callerOf(volume)
  t.same(caller.read(orphan, 99_999, 10), Buffer.of(7))
  t.equal(caller.write(orphan, 0, Buffer.from('more')), 4)
  caller.forget(orphan)
  t.equal(caller.engine.firstOrphan(), 0)
  t.same(problemsOf(volume.medium), [])
  caller.release()
  volume.close()
  t.end()
})

void test('a damaged volume is left as it is', (t) => {
  const { volume, orphan } = withOrphan()
  volume.medium.startRecording()
  volume.volume.becomeReadOnly(false)
  t.equal(stateOf(volume), stateDirty)
  callerOf(volume).forget(orphan)
  volume.close()
  t.equal(storesOf(volume.medium.stopRecording()), 0, 'also at its end')
  t.end()
})

void test('power fails as it becomes read-only, or writable', (t) => {
  const cases: readonly [
    what: string,
    before: (volume: TestVolume) => void,
    call: (volume: TestVolume) => void,
  ][] = [
    ['read-only', () => undefined, ({ volume }) => volume.becomeReadOnly(true)],
    [
      'writable',
      ({ volume }) => volume.becomeReadOnly(true),
      ({ volume }) => volume.becomeWritable(later, false),
    ],
  ]
  for (const [what, before, call] of cases) {
    const { volume, orphan } = withOrphan()
    before(volume)
    // A reference that was dropped while it was read-only: the orphan is to be freed by the change.
    volume.volume.state.forget(orphan, 1)
    const { failures, images } = exploreCall(volume, call, new Random(7))
    t.same(failures, [], what)
    t.ok(images > 20, `${images} images`)
    volume.drop()
  }
  t.end()
})
