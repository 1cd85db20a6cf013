// SPDX-License-Identifier: GPL-2.0-only
/** Recovery over many calls: what returned lasts, what was in flight on any lane is undone, and it costs no more. */
import { test } from 'tap'
import { firstLaneBlock, laneBlocks, windowBytes } from '../../layout/geometry.js'
import { entriesPerLane } from '../../layout/lane.js'
import { SET_MODE } from '../../src/fs/attributes.js'
import { recover } from '../../src/fs/recovery.js'
import { exploreCall, exploreRecording, settle } from '../support/crash-explorer.js'
import { EngineCaller } from '../support/engine-caller.js'
import { problemsOf } from '../support/invariants.js'
import { Replay } from '../support/power-failure.js'
import { Random, seed } from '../support/random.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'
import { type Tree, difference, treeOf } from '../support/tree.js'

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

/** Some call or other; it may fail, and then does nothing. */
function anyCall(caller: EngineCaller, random: Random): void {
  const name = () => `n${random.below(8)}`.padEnd(random.of([3, 60, 250]), '-')
  const inode = caller.lookup(root, name())
  if (inode > 0) caller.forget(inode)
  const kind = random.below(8)
  if (kind < 2)
    caller.forget(Math.max(0, caller.make(root, name(), random.of([0o100644, 0o040755, 0o010644]))), 1)
  else if (kind === 2) caller.unlink(root, name())
  else if (kind === 3) caller.rmdir(root, name())
  else if (kind === 4) caller.rename(root, name(), root, name(), random.of([0, 1, 2, 4]))
  else if (kind === 5 && inode > 0) caller.truncate(inode, random.below(30_000))
  else if (kind === 6) caller.symlink(root, name(), 't'.repeat(1 + random.below(100)))
  else if (inode > 0) caller.write(inode, random.below(20_000), Buffer.alloc(1 + random.below(9000), 9))
}

void test('over a random life, every moment recovers to what had returned by then, or one call more', (t) => {
  const random = new Random(seed)
  const volume = TestVolume.make(256)
  const trees: Tree[] = []
  const fences: number[] = []
  volume.medium.startRecording()
  const start = volume.medium.fences
  for (let n = 0; n < 60; n++) {
    trees.push(settle(volume.medium.clone()).tree)
    fences.push(volume.medium.fences - start)
    volume.caller.setClock(epoch + n * 1000)
    anyCall(volume.caller, random)
  }
  trees.push(settle(volume.medium.clone()).tree)
  const recording = volume.medium.stopRecording()
  const replay = new Replay(recording)
  let checked = 0
  while (replay.advance()) {
    if (random.below(3) > 0) continue
    // A write over what is there is no transaction, so its data may be there in part: all else must be right.
    const call = fences.findLastIndex((fence) => fence <= replay.fence)
    const { tree, problems } = settle(replay.image({ kind: 'random', random }))
    const near = trees
      .slice(Math.max(0, call), call + 2)
      .map((wanted) => difference(withoutData(tree), withoutData(wanted)))
    checked++
    if (problems.length > 0 || !near.includes(null)) t.same([problems, near], [[], [null]], `call ${call}`)
  }
  t.ok(checked > 10, `${checked} moments (PMFS2_SEED=${seed})`)
  volume.drop()
  t.end()
})

/** What an overwrite that was cut short may not touch. */
function withoutData(tree: Tree): Tree {
  const times = /"[mc]time":"[^"]*",?/g
  return new Map(
    [...tree].map(([path, { facts }]) => [path, { facts: facts.replace(times, ''), contents: new Map() }]),
  )
}

void test('what a lost transaction left in the log is not taken for the next one’s', (t) => {
  const random = new Random(seed)
  const volume = TestVolume.make(256)
  must(volume.caller.file(root, 'one'))
  must(volume.caller.mkdir(root, 'two'))
  // Of a rename's entries the first is lost with the power, all that follow are durable, and nothing has changed yet.
  volume.medium.startRecording()
  must(volume.caller.rename(root, 'one', root, 'three'))
  const replay = new Replay(volume.medium.stopRecording())
  replay.advance()
  volume.drop()
  const firstEntry = firstLaneBlock * 4096 + 64
  t.ok(replay.lines.includes(firstEntry) && replay.lines.includes(firstEntry + 64))
  const calls: ((caller: EngineCaller) => number)[] = [
    (caller) => caller.setattr(root, { mask: SET_MODE, mode: 0o711 }),
    (caller) => caller.rmdir(root, 'two'),
    (caller) => caller.file(root, 'four'),
    (caller) => caller.rename(root, 'moved', root, 'five'),
  ]
  for (const call of calls) {
    const next = TestVolume.open(replay.image({ kind: 'except', line: firstEntry }))
    // Meanwhile another worker changes, on its own lane, what those entries would put back.
    const other = new EngineCaller(next.volume.engine(1), next.medium)
    must(other.rename(root, 'one', root, 'moved'))
    other.release()
    const { failures } = exploreCall(next, ({ caller }) => must(call(caller)), random)
    t.same(failures, [], `PMFS2_SEED=${seed}`)
    next.drop()
  }
  t.end()
})

void test('a life with many losses of power goes on', (t) => {
  const random = new Random(seed)
  let volume = TestVolume.make(256)
  let losses = 0
  for (let n = 0; n < 150; n++) {
    const before = withoutData(settle(volume.medium.clone()).tree)
    volume.caller.setClock(epoch + n * 1000)
    volume.medium.startRecording()
    anyCall(volume.caller, random)
    const recording = volume.medium.stopRecording()
    const after = withoutData(settle(volume.medium.clone()).tree)
    if (recording.fences === 0) continue
    const replay = new Replay(recording)
    for (let fence = random.below(recording.fences + 1); fence >= 0; fence--) replay.advance()
    const line = replay.lines.length > 0 ? random.of(replay.lines) : 0
    const kinds = [
      { kind: 'random', random } as const,
      { kind: 'except', line } as const,
      { kind: 'all' } as const,
    ]
    const image = replay.image(random.of(kinds))
    volume.drop()
    volume = TestVolume.open(image)
    losses++
    const got = withoutData(treeOf(volume.caller))
    const differences = [difference(got, before), difference(got, after)]
    if (!differences.includes(null))
      t.fail(`loss ${losses}: ${differences.join(', and ')} (PMFS2_SEED=${seed})`)
    t.same(problemsOf(image), [])
  }
  t.ok(losses > 30, `${losses} losses`)
  volume.drop()
  t.end()
})

void test('calls in flight on two lanes at once are both undone', (t) => {
  const volume = TestVolume.make(256)
  const files = ['one', 'two'].map((name) => must(volume.caller.file(root, name)))
  const other = new EngineCaller(volume.volume.engine(1), volume.medium)
  const before = settle(volume.medium.clone()).tree
  const cut = (caller: EngineCaller, file: number) => {
    volume.medium.startRecording()
    must(caller.write(file, 100, new Random(file).bytes(9000)))
    return volume.medium.stopRecording()
  }
  // The first write, up to before its end, and on top of that the second one: lanes, bitmap words and inodes are
  // disjoint.
  const first = new Replay(cut(volume.caller, files[0]!))
  for (let fence = 0; fence < 3; fence++) first.advance()
  const both = first.image({ kind: 'all' })
  const second = cut(other, files[1]!)
  for (const event of second.events) {
    const isEnd = event.bytes !== null && event.at === (firstLaneBlock + laneBlocks) * 4096
    if (event.bytes !== null && !isEnd)
      both.bytes[Math.floor(event.at / windowBytes)]!.set(event.bytes, event.at % windowBytes)
  }
  // Bitmap words were stored whole, with the first call's bits in them, which are there in both.
  const geometry = volume.volume.superblock.geometry
  t.equal(recover(both.clone(), geometry), 2)
  const { tree, problems } = settle(both)
  t.same([difference(tree, before), problems], [null, []])
  other.release()
  volume.drop()
  t.end()
})

void test('it reads what was in flight and no more, however much is stored', (t) => {
  const volume = TestVolume.make(1024)
  const { caller } = volume
  for (let n = 0; n < 300; n++) caller.forget(must(caller.file(root, `file ${n}`)))
  const { geometry } = volume.volume.superblock
  let loads = 0
  const load = volume.medium.load32.bind(volume.medium)
  volume.medium.load32 = (block, word) => {
    loads++
    return load(block, word)
  }
  t.equal(recover(volume.medium, geometry), 0)
  t.ok(loads <= geometry.laneCount * 4, `${loads} loads`)
  t.ok(geometry.laneCount * entriesPerLane > 1000)
  t.same(problemsOf(volume.medium), [])
  volume.drop()
  t.end()
})

void test('recovery cut short again and again ends at the same', (t) => {
  const random = new Random(seed)
  const volume = TestVolume.make(512)
  const { caller } = volume
  const file = must(caller.file(root, 'file'))
  for (let n = 0; n < 120; n++) must(caller.write(file, n * 512 * 4096, Buffer.from('here')))
  const before = settle(volume.medium.clone()).tree
  volume.medium.startRecording()
  must(caller.truncate(file, 100))
  const after = settle(volume.medium.clone()).tree
  const recording = volume.medium.stopRecording()
  const replay = new Replay(recording)
  for (let fence = 0; fence < recording.fences / 2; fence++) replay.advance()
  let image = replay.image({ kind: 'random', random })
  for (let round = 0; round < 12; round++) {
    image.startRecording()
    settle(image)
    const again = new Replay(image.stopRecording())
    const stop = random.below(4)
    for (let fence = 0; fence <= stop; fence++) again.advance()
    image = again.image({ kind: 'random', random })
  }
  const { tree, problems } = settle(image)
  t.same(problems, [])
  const differences = [difference(tree, before), difference(tree, after)]
  t.ok(differences.includes(null), `${differences.join(', and ')} (PMFS2_SEED=${seed})`)
  image.startRecording()
  settle(image)
  const { failures } = exploreRecording(image.stopRecording(), random, (got) => difference(got, tree))
  t.same(failures, [], 'mounting what is in order changes nothing, wherever it is cut')
  volume.drop()
  t.end()
})
