// SPDX-License-Identifier: GPL-2.0-only
/**
 * The time of the last access is stored word by word: whatever a loss of power leaves of it is a time, and nearly
 * right.
 */
import { test } from 'tap'
import { flagNoAtime } from '../../layout/inode.js'
import { Engine } from '../../src/fs/engine.js'
import { EngineParts } from '../../src/fs/engine-parts.js'
import { EngineCaller } from '../support/engine-caller.js'
import { Replay } from '../support/power-failure.js'
import { Random } from '../support/random.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

void test('power lost while the time of the last access is stored', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller } = volume
  const file = caller.file(root, 'file')
  caller.write(file, 0, Buffer.from('contents'))
  const sink = { data: () => undefined, hole: () => undefined }
  volume.medium.startRecording()
  caller.setClock(epoch + 86_400_123)
  t.equal(caller.engine.beginRead(file, 0, 0, 8, sink, true), 8)
  caller.engine.endRead(file)
  const recording = volume.medium.stopRecording()
  t.equal(recording.fences, 0, 'a read does not wait for it')
  const replay = new Replay(recording)
  replay.advance()
  const random = new Random(1)
  const seen = new Set<string>()
  for (let n = 0; n < 30; n++) {
    const left = TestVolume.open(replay.image({ kind: 'random', random }))
    seen.add(left.caller.attributes(file).atime)
    left.drop()
  }
  const [before, torn, after] = ['1704067200.000000000', '1704153600.000000000', '1704153600.123000000']
  t.same(
    [...seen].sort(),
    [before, torn, after],
    'the old one, the new one, or one wrong by less than a second',
  )
  t.end()
})

void test('strictatime notes each access, but for files that are not to have them noted', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { medium } = volume
  const setting = { ...volume.volume.setting, strictAccessTimes: true }
  const engine = new Engine(new EngineParts(medium, volume.volume.state, setting, 0, () => undefined))
  const caller = new EngineCaller(engine, medium)
  t.teardown(() => caller.release())
  const sink = { data: () => undefined, hole: () => undefined }
  const timeAfter = (flags: number): string => {
    const file = caller.file(root, `file-${flags}`)
    t.equal(caller.setFlags(file, flags), 0)
    for (const seconds of [10, 20]) {
      caller.setClock(epoch + seconds * 1000)
      engine.beginRead(file, 0, 0, 8, sink, true)
      engine.endRead(file)
    }
    caller.setClock(epoch)
    return caller.attributes(file).atime
  }
  t.equal(timeAfter(0), '1704067220.000000000')
  t.equal(timeAfter(flagNoAtime), '1704067200.000000000')
  t.end()
})
