// SPDX-License-Identifier: GPL-2.0-only
/** A volume that is served read-only: every change is refused, and the medium takes no store at all. */
import { type Test, test } from 'tap'
import { superblock as layout, stateDirty } from '../../layout/superblock.js'
import { SET_ATIME } from '../../src/fs/attributes.js'
import { EROFS } from '../../src/fs/errno.js'
import { ReadOnlyMedium } from '../../src/fs/read-only-medium.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { Volume } from '../../src/fs/volume.js'
import { EngineCaller } from '../support/engine-caller.js'
import { Replay } from '../support/power-failure.js'
import type { Recording, RecordingMedium } from '../support/recording-medium.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

const day = 86_400_000

/** A volume with a directory, a file, a link, and a file without names that a power failure has left. */
function leftBehind(): RecordingMedium {
  const volume = TestVolume.make(512)
  const { caller } = volume
  caller.mkdir(root, 'directory')
  const file = caller.file(root, 'file')
  caller.write(file, 0, Buffer.from('contents'))
  caller.setxattr(file, 'user.kept', Buffer.from('value'))
  caller.symlink(root, 'link', 'target')
  const orphan = caller.file(root, 'orphan')
  caller.write(orphan, 0, Buffer.alloc(9000, 7))
  caller.unlink(root, 'orphan')
  volume.drop()
  return volume.medium
}

function storesOf({ events }: Recording): number {
  return events.filter((event) => event.bytes !== null).length
}

function openReadOnly(medium: RecordingMedium): { volume: Volume; caller: EngineCaller } {
  const volume = Volume.open(medium, { readOnly: true, now: epoch, isChecked: true })
  const caller = new EngineCaller(volume.engine(0), medium)
  caller.setClock(epoch + 2 * day)
  return { volume, caller }
}

/** Reads with the times of access asked for, and forgets what had no names. */
function readAll(t: Test, caller: EngineCaller, orphan: number): void {
  const { engine } = caller
  const file = caller.lookup(root, 'file')
  t.equal(caller.read(file, 0, 100).toString(), 'contents')
  t.equal(engine.beginRead(file, 0, 0, 100, { data: () => undefined, hole: () => undefined }, true), 8)
  engine.endRead(file)
  t.equal(engine.readdir(root, 0, 0, { entry: () => true }, true), 0)
  t.equal(caller.readlink(caller.lookup(root, 'link')), 'target')
  t.same(caller.listxattr(file), ['user.kept'])
  t.equal(caller.getxattr(file, 'user.kept').toString(), 'value')
  t.equal(engine.find(orphan), -116)
  engine.retain(orphan)
  caller.forget(orphan)
  caller.forget(file)
}

void test('every call that changes something is refused, and nothing is stored', (t) => {
  const medium = leftBehind()
  medium.startRecording()
  const { volume, caller } = openReadOnly(medium)
  const orphan = caller.engine.firstOrphan()
  t.ok(orphan > 0)
  const [file, directory] = [caller.lookup(root, 'file'), caller.lookup(root, 'directory')]
  const refused = {
    create: caller.file(root, 'new'),
    mkdir: caller.mkdir(root, 'new'),
    symlink: caller.symlink(root, 'new', 'target'),
    nameless: caller.nameless(root),
    link: caller.link(file, root, 'new'),
    unlink: caller.unlink(root, 'file'),
    rmdir: caller.rmdir(root, 'directory'),
    rename: caller.rename(root, 'file', directory, 'file'),
    write: caller.write(file, 0, Buffer.from('other')),
    append: caller.write(file, 8, Buffer.from('more')),
    truncate: caller.truncate(file, 0),
    setattr: caller.setattr(file, { mask: SET_ATIME }),
    nothing: caller.setattr(file, {}),
    flags: caller.setFlags(file, 0),
    project: caller.setFlags(file, 0, 1),
    trim: caller.trim(),
    setxattr: caller.setxattr(file, 'user.a', Buffer.from('x')),
    removexattr: caller.removexattr(file, 'user.kept'),
  }
  for (const [call, result] of Object.entries(refused)) t.equal(result, -EROFS, call)
  readAll(t, caller, orphan)
  t.equal(caller.engine.firstOrphan(), orphan, 'it waits for a mount that may write')
  volume.close()
  caller.release()
  t.equal(storesOf(medium.stopRecording()), 0)
  t.end()
})

void test('what was in flight is undone, and nothing else is stored', (t) => {
  const before = TestVolume.make(512)
  before.medium.startRecording()
  before.caller.file(root, 'half made')
  const replay = new Replay(before.medium.stopRecording())
  before.drop()
  while (replay.fence < 2) replay.advance()
  const image = replay.image({ kind: 'all' })
  image.startRecording()
  const { volume, caller } = openReadOnly(image)
  t.equal(volume.undone, 1)
  t.equal(caller.lookup(root, 'half made'), -2)
  const recovered = image.stopRecording()
  t.ok(storesOf(recovered) > 0)
  image.startRecording()
  t.equal(caller.file(root, 'new'), -EROFS)
  volume.close()
  caller.release()
  t.equal(storesOf(image.stopRecording()), 0)
  t.equal(
    readSuperblock(image).superblock.get(layout.word.state),
    stateDirty,
    'nor does it claim to be clean',
  )
  t.end()
})

void test('a store that was let slip is a defect', (t) => {
  const medium = new ReadOnlyMedium(TestVolume.of(t, 512).medium)
  for (const store of [
    () => medium.store32(),
    () => medium.store64(),
    () => medium.storeLine(),
    () => medium.setBits(),
    () => medium.clearBits(),
    () => medium.copyIn(),
    () => medium.zero(),
    () => medium.punch(),
    () => medium.flush(),
    () => medium.order(),
    () => medium.fence(),
    () => medium.fillPairs(1, 0, 1, 0, 0),
  ])
    t.throws(store, /read-only/)
  t.equal(medium.load32(0, 0), medium.wordsOf(0)[0])
  t.end()
})
