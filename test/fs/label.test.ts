// SPDX-License-Identifier: GPL-2.0-only
/**
 * The label of a volume in use: set by any thread, kept beside all else that the superblock says, old or new after a
 * loss of power.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { type Test, test } from 'tap'
import { stateClean, superblock as layout } from '../../layout/superblock.js'
import { damageRecord } from '../../src/fs/damage-record.js'
import { EINVAL, EROFS } from '../../src/fs/errno.js'
import type { Label } from '../../src/fs/label.js'
import { Locks, opener } from '../../src/fs/locks.js'
import { Superblock } from '../../src/fs/superblock.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { Volume } from '../../src/fs/volume.js'
import { variants } from '../support/crash-explorer.js'
import { problemsOf } from '../support/invariants.js'
import { MemoryVolume } from '../support/memory-volume.js'
import { Replay } from '../support/power-failure.js'
import { Random, seed } from '../support/random.js'
import type { RecordingMedium } from '../support/recording-medium.js'
import { TestVolume, epoch } from '../support/test-volume.js'

const at = layout.word

function labelOf(medium: RecordingMedium): string {
  return readSuperblock(medium).superblock.label
}

function set(label: Label, text: string): number {
  return label.set(Buffer.from(text))
}

function get(label: Label): string {
  const bytes = Buffer.alloc(64, 'x')
  label.get(bytes)
  return bytes.toString().replace(/\0+$/, '')
}

void test('it is set, for every worker, on all copies, and for the next mount', (t) => {
  const volume = TestVolume.make(2048, 700)
  const { medium } = volume
  const [one, other] = [volume.volume.engine(0), volume.volume.engine(1)]
  t.equal(get(other.label), 'test')
  for (const label of ['a much longer one', 'ü'.repeat(32), '', 'short']) {
    t.equal(set(one.label, label), 0)
    t.equal(get(other.label), label)
    t.same(problemsOf(medium), [])
    for (const block of readSuperblock(medium).superblock.copyBlocks) {
      const start = medium.wordOf(block)
      const copy = new Superblock(medium.wordsOf(block).slice(start, start + 1024))
      t.ok(copy.isWhole())
      t.equal(copy.label, label, `copy in block ${block}`)
    }
  }
  one.settle()
  volume.reopen()
  t.equal(get(volume.caller.engine.label), 'short')
  volume.close()
  t.end()
})

void test('what mkfs refuses is refused', (t) => {
  const volume = TestVolume.of(t, 512)
  const { label } = volume.caller.engine
  volume.medium.startRecording()
  t.equal(set(label, 'x'.repeat(65)), -EINVAL)
  t.equal(set(label, 'ü'.repeat(33)), -EINVAL)
  t.equal(set(label, 'two\nlines'), -EINVAL)
  t.equal(label.set(Uint8Array.of(0x61, 0xff)), -EINVAL, 'no UTF-8')
  t.same(volume.medium.stopRecording().events, [])
  t.equal(get(label), 'test')
  t.end()
})

void test('a read-only volume keeps it', (t) => {
  const { medium, volume: written } = TestVolume.make(512)
  written.close()
  medium.startRecording()
  const volume = Volume.open(medium, { readOnly: true, now: epoch, isChecked: true })
  const { label } = volume.engine(0)
  t.equal(set(label, 'other'), -EROFS)
  t.equal(set(label, 'x'.repeat(65)), -EINVAL, 'as on ext4')
  t.equal(get(label), 'test')
  t.ok(medium.stopRecording().events.every((event) => event.bytes === null))
  volume.becomeWritable(epoch, false)
  t.equal(set(volume.engine(0).label, 'other'), 0)
  volume.becomeReadOnly(true)
  const after = volume.engine(0).label
  t.equal(set(after, 'another'), -EROFS)
  t.equal(get(after), 'other')
  volume.close()
  t.equal(labelOf(medium), 'other')
  t.end()
})

void test('neither it nor what else the superblock says undoes the other', (t) => {
  const volume = TestVolume.make(512)
  const { medium } = volume
  const { label } = volume.caller.engine
  volume.volume.state.countDamage()
  volume.volume.noteDamage('first', epoch)
  t.equal(set(label, 'after the first'), 0)
  t.match(damageRecord(readSuperblock(medium).superblock), { count: 1, last: { what: 'first' } })
  volume.volume.state.countDamage()
  volume.volume.noteDamage('second', epoch)
  t.equal(labelOf(medium), 'after the first')
  t.equal(set(label, 'after the second'), 0)
  volume.close()
  const { superblock } = readSuperblock(medium)
  t.equal(superblock.label, 'after the second')
  t.match(damageRecord(superblock), { count: 2, first: { what: 'first' }, last: { what: 'second' } })
  t.equal(superblock.get(at.state), stateClean)
  t.end()
})

/** Whoever needs a lock that the same owner holds throws. */
void test('whoever looks at the superblock or changes it needs its lock', (t) => {
  const { volume, caller } = TestVolume.of(t, 512)
  const { label } = volume.engine(1)
  const [main, worker] = [new Locks(volume.state, opener), new Locks(volume.state, 1)]
  main.lockSuperblock()
  t.throws(
    () => volume.noteDamage('somewhere', epoch),
    /superblock's lock, which the main thread holds already/,
  )
  main.unlockSuperblock()
  worker.lockSuperblock()
  t.throws(() => get(label), /the superblock's lock, which worker 1 holds already/)
  t.throws(() => set(label, 'other'), /the superblock's lock, which worker 1 holds already/)
  worker.unlockSuperblock()
  t.equal(get(caller.engine.label), 'test')
  t.end()
})

void test('a device that fails ends it', (t) => {
  const volume = TestVolume.make(512)
  const { medium } = volume
  const { engine } = volume.caller
  medium.fence = () => {
    throw new Error('the device has failed')
  }
  t.throws(() => set(engine.label, 'other'), /the device has failed/)
  t.ok(volume.volume.state.isFailed)
  engine.settle()
  volume.drop()
  t.end()
})

function explore(t: Test, ...deviceBlocks: readonly number[]): void {
  const random = new Random(seed)
  const volume = TestVolume.make(...deviceBlocks)
  volume.medium.startRecording()
  set(volume.caller.engine.label, 'a new name')
  const recording = volume.medium.stopRecording()
  volume.drop()
  t.equal(recording.fences, volume.medium.bytes.length + 1, 'each copy is durable before the next')
  const replay = new Replay(recording)
  const seen = new Set<string>()
  while (replay.advance()) {
    const returned = replay.fence === recording.fences
    for (const survivors of variants(replay.lines, random)) {
      const image = replay.image(survivors)
      const label = labelOf(image)
      const where = `fence ${replay.fence} of ${recording.fences}, ${survivors.kind}`
      if (returned) t.equal(label, 'a new name', where)
      seen.add(label)
      const again = TestVolume.open(image)
      t.equal(get(again.caller.engine.label), label, `${where}: the next mount`)
      again.close()
      t.same([labelOf(image), ...readSuperblock(image).damage], [label], `${where}: all copies are good`)
      t.same(problemsOf(image), [], where)
    }
  }
  t.same([...seen].sort(), ['a new name', 'test'], `PMFS2_SEED=${seed}`)
}

void test('a loss of power leaves the old one or the new one', (t) => {
  explore(t, 512)
  explore(t, 2048, 700)
  t.end()
})

const rounds = 1000
const workers = [1, 2]

/** Sets the label again and again, once all threads are ready to. */
const program = `
  import { workerData, parentPort } from 'node:worker_threads'
  const { MappedMedium } = await import(workerData.medium)
  const { Engine } = await import(workerData.engine)
  const { EngineParts } = await import(workerData.parts)
  const { SharedState } = await import(workerData.state)
  const { description, worker, rounds } = workerData
  const ready = new Int32Array(workerData.ready)
  const state = SharedState.view(description.state)
  const medium = new MappedMedium(description.medium)
  const { label } = new Engine(
    new EngineParts(medium, state, description.setting, worker, () => undefined),
  )
  const bytes = new Uint8Array(64)
  let torn = 0
  Atomics.add(ready, 0, 1)
  while (Atomics.load(ready, 0) < workerData.workers);
  for (let n = 0; n < rounds; n++) {
    label.set(Buffer.from(String(n % 10).repeat(64)))
    label.get(bytes)
    if (new Set(bytes).size !== 1) torn++
  }
  medium.release()
  parentPort.postMessage(torn)
`

void test('threads that set it, and one that records damage meanwhile, lose nothing', async (t) => {
  const memory = new MemoryVolume(2 ** 24)
  t.teardown(() => memory.release())
  const { volume, medium } = memory
  const before = readSuperblock(medium).superblock.getNumber(at.sequence)
  const ready = new SharedArrayBuffer(4)
  const from = (path: string) => new URL(`../../src/${path}.js`, import.meta.url).href
  const threads = workers.map(
    (worker) =>
      new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), {
        workerData: {
          medium: from('pmem/mapped-medium'),
          engine: from('fs/engine'),
          parts: from('fs/engine-parts'),
          state: from('fs/shared-state'),
          description: {
            medium: memory.description,
            state: volume.state.description,
            setting: volume.setting,
          },
          worker,
          workers: workers.length,
          rounds,
          ready,
        },
      }),
  )
  const ended = Promise.all(threads.map(async (thread) => ((await once(thread, 'message')) as [number])[0]))
  let places = 0
  const timer = setInterval(() => {
    if (places === 50) return
    volume.state.countDamage()
    volume.noteDamage(`place ${places++}`, epoch)
  })
  t.same(await ended, [0, 0], 'nobody saw half a label')
  clearInterval(timer)
  await Promise.all(threads.map((thread) => thread.terminate()))
  const { superblock, damage } = readSuperblock(medium)
  t.same(damage, [])
  t.equal(superblock.getNumber(at.sequence), before + workers.length * rounds + places)
  t.equal(superblock.label, '9'.repeat(64))
  if (places > 0) t.equal(damageRecord(superblock)?.last.what, `place ${places - 1}`)
})
