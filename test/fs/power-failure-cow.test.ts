// SPDX-License-Identifier: GPL-2.0-only
/**
 * Copy-on-write under loss of power: after any failure, each write is there as a whole or not at all. The same explorer
 * must find torn writes in place, or it would prove nothing.
 */
import { test } from 'tap'
import type { DataMode } from '../../src/fs/overwriting.js'
import { exploreCall } from '../support/crash-explorer.js'
import type { EngineCaller } from '../support/engine-caller.js'
import { casesFor } from '../support/medium-in-use.js'
import { Random, seed } from '../support/random.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

const blockBytes = 4096
const random = new Random(seed)

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

interface Scenario {
  readonly name: string
  /** Of the volume. */
  readonly blocks: number
  /** Fills the file /f. */
  readonly prepare: (caller: EngineCaller, inode: number) => void
  readonly offset: number
  readonly length: number
}

const contiguous = (blocks: number) => (caller: EngineCaller, inode: number) =>
  void must(caller.write(inode, 0, new Random(3).bytes(blocks * blockBytes)))

/** Fills the volume, but for so many blocks. */
function fill(caller: EngineCaller, free: number): void {
  const filler = must(caller.file(root, 'filler'))
  for (let n = 0; caller.engine.usage().freeBlocks > free; n++)
    must(caller.write(filler, n * blockBytes, Buffer.alloc(blockBytes, 7)))
}

/** Blocks in the file's order that are neighbours nowhere. */
function scattered(caller: EngineCaller, inode: number, blocks: number): void {
  const other = must(caller.file(root, 'other'))
  for (let n = blocks - 1; n >= 0; n--) {
    must(caller.write(inode, n * blockBytes, new Random(n).bytes(blockBytes)))
    must(caller.write(other, n * blockBytes, Buffer.alloc(blockBytes, 9)))
  }
}

const scenarios: readonly Scenario[] = [
  { name: 'a few bytes', blocks: 256, prepare: contiguous(4), offset: 4099, length: 77 },
  { name: 'a few bytes in two blocks', blocks: 256, prepare: contiguous(4), offset: 4090, length: 300 },
  { name: 'the only block of a file', blocks: 256, prepare: contiguous(1), offset: 0, length: blockBytes },
  { name: 'a part of the only block', blocks: 256, prepare: contiguous(1), offset: 1000, length: 2000 },
  { name: 'the only block, and more', blocks: 256, prepare: contiguous(1), offset: 100, length: 9000 },
  {
    name: 'one block of many',
    blocks: 256,
    prepare: contiguous(9),
    offset: 4 * blockBytes,
    length: blockBytes,
  },
  {
    name: 'unaligned, 20 blocks',
    blocks: 256,
    prepare: contiguous(30),
    offset: 4001,
    length: 20 * blockBytes,
  },
  {
    name: 'over two nodes of the map',
    blocks: 1536,
    prepare: (caller, inode) => {
      for (let n = 480; n < 544; n++) must(caller.write(inode, n * blockBytes, Buffer.alloc(blockBytes, n)))
    },
    offset: 500 * blockBytes + 5,
    length: 30 * blockBytes,
  },
  {
    name: 'in many pieces',
    blocks: 512,
    prepare: (caller, inode) => scattered(caller, inode, 60),
    offset: 7,
    length: 50 * blockBytes,
  },
  {
    name: 'on a full volume, by the log',
    blocks: 256,
    prepare: (caller, inode) => {
      contiguous(8)(caller, inode)
      fill(caller, 0)
    },
    offset: 4090,
    length: 3 * blockBytes,
  },
  {
    name: 'on a nearly full volume, over blocks and a hole',
    blocks: 256,
    prepare: (caller, inode) => {
      contiguous(3)(caller, inode)
      must(caller.write(inode, 4 * blockBytes, new Random(5).bytes(blockBytes)))
      fill(caller, 1)
    },
    offset: 2 * blockBytes + 5,
    length: 2 * blockBytes,
  },
]

function explore(data: DataMode, { blocks, prepare, offset, length }: Scenario): readonly string[] {
  const volume = TestVolume.makeFor(data, blocks)
  const inode = must(volume.caller.file(root, 'f'))
  prepare(volume.caller, inode)
  volume.caller.setClock(epoch + 5000)
  const bytes = new Random(4).bytes(length)
  const { failures } = exploreCall(
    volume,
    ({ caller }) => {
      if (caller.write(inode, offset, bytes) !== length) throw new Error('the write was cut short')
    },
    random,
  )
  volume.drop()
  return failures
}

for (const scenario of casesFor(scenarios)) {
  void test(scenario.name, (t) => {
    t.same(explore('cow', scenario), [], `whole with data=cow (PMFS2_SEED=${seed})`)
    t.match(explore('inplace', scenario)[0], /neither before .* nor after/, 'torn with data=inplace')
    t.end()
  })
}
