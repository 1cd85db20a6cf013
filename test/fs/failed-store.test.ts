// SPDX-License-Identifier: GPL-2.0-only
/** A volume on which a store has failed is never marked clean: what the store left behind is for recovery. */
import { type Test, test } from 'tap'
import { blockBytes } from '../../layout/geometry.js'
import { stateDirty, superblock as layout } from '../../layout/superblock.js'
import { inodeField } from '../../src/fs/inode.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { PmemError } from '../../src/pmem/pmem-error.js'
import { createTransferBuffer, releaseTransferBuffer } from '../../src/pmem/transfer-buffer.js'
import { MemoryVolume } from '../support/memory-volume.js'
import { RecordingMedium } from '../support/recording-medium.js'
import { Patient, makeSample } from '../support/sample.js'
import { TestVolume, root } from '../support/test-volume.js'

/** Lets the fences of one call fail, from the `n`th on (1 = the first), as fdatasync(2) does on an I/O error. */
function failFrom(medium: RecordingMedium, n: number): () => void {
  const fence = medium.fence.bind(medium)
  let left = n
  medium.fence = () => {
    if (--left <= 0) throw new PmemError('the medium did not take a store', -5)
    fence()
  }
  return () => {
    medium.fence = fence
  }
}

function isDirty(medium: RecordingMedium): boolean {
  return readSuperblock(medium).superblock.get(layout.word.state) === stateDirty
}

function closeAfter(t: Test, what: string, n: number, call: (volume: TestVolume) => unknown): void {
  const volume = TestVolume.make(512)
  const file = volume.caller.file(root, 'file')
  volume.caller.write(file, 0, Buffer.alloc(blockBytes, 1))
  const mend = failFrom(volume.medium, n)
  t.throws(() => call(volume), { name: 'PmemError' }, what)
  mend()
  volume.close()
  t.ok(isDirty(volume.medium), `${what} fails at fence ${n}`)
  const again = TestVolume.open(volume.medium.clone())
  t.ok(again.caller.lookup(root, 'file') > 0 || again.caller.lookup(root, 'other') > 0)
  again.close()
  t.notOk(isDirty(again.medium), 'and the next one in order is clean')
}

for (const n of [1, 2]) {
  void test(`fence ${n} of a call fails`, (t) => {
    closeAfter(t, 'create', n, ({ caller }) => caller.file(root, 'new'))
    closeAfter(t, 'extending write', n, ({ caller }) => caller.write(2, 0, Buffer.alloc(9000, 2)))
    closeAfter(t, 'rename', n, ({ caller }) => caller.rename(root, 'file', root, 'other'))
    closeAfter(t, 'truncate', n, ({ caller }) => caller.truncate(2, 5))
    closeAfter(t, 'symlink', n, ({ caller }) => caller.symlink(root, 'new', 'target'))
    t.end()
  })
}

const sample = makeSample()

/** Fences fail once the call has met damage: as its transaction is taken back, or as the damage is recorded. */
void test('a fence fails on the way out of damage', (t) => {
  for (const call of ['lookup', 'unlink'] as const) {
    const patient = new Patient(sample)
    patient.setField(sample.inodes.one, inodeField.mode, 0o030644)
    const volume = TestVolume.open(patient.medium)
    const mend = failFrom(volume.medium, 1)
    t.throws(() => volume.caller[call](root, 'one'), { name: 'PmemError' }, call)
    t.ok(volume.volume.state.isFailed, `${call}: nobody waits for the locks that are left`)
    mend()
    volume.close()
    t.ok(isDirty(volume.medium), `${call}: the rest is for recovery`)
  }
  t.end()
})

void test('a medium that has failed a fence fails every later one', (t) => {
  const volume = new MemoryVolume(2 ** 24)
  const { medium } = volume
  const buffer = createTransferBuffer('test', blockBytes)
  medium.copyIn(100, 0, buffer, blockBytes, blockBytes)
  t.throws(() => medium.fence(), { name: 'PmemError' })
  t.throws(() => medium.fence(), { name: 'PmemError' }, 'as stores may be lost')
  t.throws(() => volume.volume.close(), { name: 'PmemError' })
  t.equal(readSuperblock(medium).superblock.get(layout.word.state), stateDirty)
  t.throws(() => medium.release(), { name: 'PmemError' }, 'who ends with it hears of it, too')
  releaseTransferBuffer(buffer)
  t.end()
})
