// SPDX-License-Identifier: GPL-2.0-only
/** Files that grow in turn: each has a run of blocks ahead, which nobody else sees, and gives it back. */
import { test } from 'tap'
import { ENOSPC } from '../../src/fs/errno.js'
import { problemsOf } from '../support/invariants.js'
import { TestVolume, root } from '../support/test-volume.js'
import { makeUnfilled } from '../support/unfilled-medium.js'

const blockBytes = 4096
const block = Buffer.alloc(blockBytes, 7)
const chunkBlocks = 4096

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

function makeFiles({ caller }: TestVolume, count: number): number[] {
  return Array.from({ length: count }, (_, n) => must(caller.file(root, `file ${n}`)))
}

/** Appends a block to each of the files, so many times. */
function appendInTurn({ caller }: TestVolume, files: readonly number[], blocks: number): void {
  for (let n = 0; n < blocks; n++) for (const file of files) must(caller.write(file, n * blockBytes, block))
}

/** The first blocks of a file's runs, by its block map, from one of its blocks on. */
function runs({ caller }: TestVolume, file: number, from: number, blocks: number): number[] {
  const starts: number[] = []
  let next = 0
  const sink = {
    data(first: number, _offset: number, length: number): void {
      if (first !== next) starts.push(first)
      next = first + length / blockBytes
    },
    hole: () => undefined,
  }
  caller.engine.beginRead(file, from, 0, blocks * blockBytes, sink, false)
  caller.engine.endRead(file)
  return starts
}

for (const [count, most] of [
  [2, 8],
  [64, 8],
] as const) {
  void test(`${count} files appended in turn lie in at most ${most} pieces per 16 MiB`, (t) => {
    const volume = makeUnfilled(count > 2 ? 5 : 1)
    const files = makeFiles(volume, count)
    const free = volume.freeBlocks
    const blocks = count > 2 ? chunkBlocks : 3 * chunkBlocks
    appendInTurn(volume, files, blocks)
    const worst: number[] = []
    for (let from = 0; from < blocks; from += chunkBlocks) {
      worst.push(Math.max(...files.map((file) => runs(volume, file, from, chunkBlocks).length)))
    }
    t.ok(Math.max(...worst) <= most, `${worst.join(', ')} pieces`)
    const held = files.reduce((sum, file) => sum + volume.caller.attributes(file).blocks, 0)
    t.equal(volume.freeBlocks, free - held, 'what they have ahead counts as free')
    volume.drop()
    t.end()
  })
}

void test('small files lie side by side, written in one or in several parts', (t) => {
  const volume = TestVolume.of(t, 2048)
  const first: number[] = []
  for (let n = 0; n < 40; n++) {
    const file = must(volume.caller.file(root, `small ${n}`))
    for (let k = 0; k < 5; k++) must(volume.caller.write(file, k * blockBytes, block))
    first.push(runs(volume, file, 0, 1)[0]!)
  }
  // Five blocks and a node each, and a few blocks of the inode table and the directory.
  t.ok(first.at(-1)! - first[0]! <= 39 * 6 + 4, `they span ${first.at(-1)! - first[0]!} blocks`)
  t.end()
})

void test('every block of a volume can be used, whatever others have ahead', (t) => {
  const volume = TestVolume.of(t, 4096)
  const files = makeFiles(volume, 3)
  const free = volume.freeBlocks
  appendInTurn(volume, files, 100)
  const late = must(volume.caller.file(root, 'late'))
  let at = 0
  let result = 0
  for (; result >= 0; at += Math.max(result, 0))
    result = volume.caller.write(late, at, Buffer.alloc(50 * blockBytes))
  t.equal(result, -ENOSPC)
  t.equal(volume.freeBlocks, 0, 'the last block is in use')
  t.equal(volume.caller.write(files[0]!, 100 * blockBytes, block), -ENOSPC)
  t.same(problemsOf(volume.medium), [])
  for (const name of ['late', 'file 0', 'file 1', 'file 2']) must(volume.caller.unlink(root, name))
  for (const file of [late, ...files]) volume.caller.forget(file)
  t.equal(volume.freeBlocks, free)
  t.end()
})

void test('what a file has ahead is given back when it is let go of, or cut', (t) => {
  const volume = TestVolume.of(t, 4096)
  const { caller } = volume
  const files = makeFiles(volume, 2)
  appendInTurn(volume, files, 18)
  const third = must(caller.file(root, 'third'))
  const startOf = (file: number, index: number): number => runs(volume, file, index, 1)[0]!
  const last = startOf(files[1]!, 17)
  must(caller.write(third, 0, block))
  t.ok(startOf(third, 0) > last + 1, 'the blocks behind the file are kept for it')
  caller.forget(files[1]!)
  must(caller.truncate(files[0]!, 0))
  must(caller.write(third, blockBytes, Buffer.alloc(3 * blockBytes)))
  volume.reopen()
  t.same(problemsOf(volume.medium), [], 'nothing of it is on the medium')
  t.end()
})
