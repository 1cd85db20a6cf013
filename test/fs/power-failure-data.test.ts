// SPDX-License-Identifier: GPL-2.0-only
/** Contents and attributes under loss of power: writes, truncation, setattr, and giving blocks back. */
import { test } from 'tap'
import { firstLaneBlock } from '../../layout/geometry.js'
import { laneHeader } from '../../layout/lane.js'
import {
  KILL_PRIVILEGES,
  SET_ATIME,
  SET_CTIME,
  SET_GID,
  SET_MODE,
  SET_MTIME,
  SET_SIZE,
  SET_UID,
} from '../../src/fs/attributes.js'
import type { DataMode } from '../../src/fs/overwriting.js'
import { type Judge, exploreCall, judgeAtomic } from '../support/crash-explorer.js'
import { judgeData } from '../support/data-judge.js'
import { casesFor } from '../support/medium-in-use.js'
import { Random, seed } from '../support/random.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

const random = new Random(seed)
const blockBytes = 4096

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

interface Scenario {
  readonly name: string
  readonly blocks?: number
  /** Fills the file /f. */
  readonly prepare: (volume: TestVolume, inode: number) => unknown
  readonly call: (volume: TestVolume, inode: number) => unknown
  readonly judge?: Judge
  /** Zeroes parts of blocks in place, also with copy-on-write. */
  readonly zeroesParts?: boolean
  /** That the call takes at the least; 1 unless said. */
  readonly transactions?: number
}

const fill = (length: number) => (v: TestVolume, inode: number) =>
  must(v.caller.write(inode, 0, new Random(3).bytes(length)))
const write = (offset: number, length: number) => (v: TestVolume, inode: number) =>
  must(v.caller.write(inode, offset, new Random(4).bytes(length)))
const nothing = () => undefined

/** Single blocks as far apart as a lowest node reaches, so that freeing them takes the most transactions. */
const sparse = (count: number) => (v: TestVolume, inode: number) => {
  for (let n = 0; n < count; n++) must(v.caller.write(inode, n * 512 * blockBytes, Buffer.from('here')))
}

/** A file in single blocks, none beside the next. */
function scatter({ caller }: TestVolume, inode: number, count: number): void {
  for (let n = 0; n < count; n++) must(caller.write(inode, (n ^ 1) * blockBytes, Buffer.from('here')))
}

/** A file of 40 blocks that has grown in turn with another. */
function inTurn({ caller }: TestVolume, inode: number): void {
  const other = must(caller.file(root, 'other'))
  for (let n = 0; n < 80; n++) {
    must(caller.write(n % 2 ? other : inode, (n >>> 1) * blockBytes, Buffer.alloc(blockBytes, n)))
  }
}

/** Leaves only single free blocks, every other one. */
function fragment({ caller }: TestVolume): void {
  const odd = must(caller.file(root, 'odd'))
  const even = must(caller.file(root, 'even'))
  // From the end to the start: what does not grow has no run ahead.
  for (let n = 0; ; n++) {
    if (caller.write(n % 2 ? odd : even, (1000 - (n >>> 1)) * blockBytes, Buffer.alloc(blockBytes, 7)) < 0)
      break
  }
  must(caller.unlink(root, 'odd'))
  caller.forget(odd)
}

/** Copies within the file: what is visible after a failure is what a write of the same bytes would leave. */
function copies(): Scenario[] {
  const copy = (offset: number, toOffset: number, length: number) => (v: TestVolume, inode: number) =>
    must(v.caller.copy(inode, offset, inode, toOffset, length, true))
  /** Data in blocks 0, 2 and 4, and in a part of 5. */
  const holed = (v: TestVolume, f: number) => {
    for (const n of [0, 2, 4]) must(v.caller.write(f, n * blockBytes, new Random(n).bytes(blockBytes)))
    must(v.caller.write(f, 5 * blockBytes, new Random(5).bytes(100)))
  }
  const withSetId = (v: TestVolume, f: number) => {
    holed(v, f)
    must(v.caller.setattr(f, { mask: SET_MODE, mode: 0o6777 }))
  }
  return [
    { name: 'copy beyond the end', prepare: fill(9000), call: copy(10, 12_000, 8000), judge: judgeData },
    { name: 'copy over blocks', prepare: fill(20_000), call: copy(100, 9000, 8001), judge: judgeData },
    { name: 'copy into a hole', prepare: holed, call: copy(5, blockBytes + 9, 3000), judge: judgeData },
    {
      name: 'copy of a hole over blocks',
      prepare: holed,
      call: copy(blockBytes, 4 * blockBytes, 4000),
      judge: judgeData,
      zeroesParts: true,
    },
    {
      name: 'copy of a hole beyond the end',
      prepare: holed,
      call: copy(blockBytes, 6 * blockBytes, 4000),
      judge: judgeData,
    },
    {
      name: 'copy that clears set-ID bits',
      prepare: withSetId,
      call: copy(0, 4 * blockBytes, 4000),
      judge: judgeData,
    },
    {
      name: 'copy of a hole that clears set-ID bits',
      prepare: withSetId,
      call: copy(blockBytes, 4 * blockBytes, 4000),
      judge: judgeData,
      zeroesParts: true,
    },
  ]
}

const scenarios: readonly Scenario[] = [
  { name: 'first write', prepare: nothing, call: write(0, 10), judge: judgeData },
  { name: 'write of three blocks', prepare: nothing, call: write(0, 3 * blockBytes), judge: judgeData },
  { name: 'unaligned write into nothing', prepare: nothing, call: write(5001, 9001), judge: judgeData },
  { name: 'append within the last block', prepare: fill(100), call: write(100, 77), judge: judgeData },
  {
    name: 'append across the end of a block',
    prepare: fill(4000),
    call: write(4000, 5000),
    judge: judgeData,
  },
  { name: 'append over a gap', prepare: fill(100), call: write(9000, 300), judge: judgeData },
  { name: 'append over a gap in one block', prepare: fill(100), call: write(1001, 30), judge: judgeData },
  { name: 'overwrite', prepare: fill(20000), call: write(0, 20000), judge: judgeData },
  { name: 'unaligned overwrite', prepare: fill(20000), call: write(4001, 8190), judge: judgeData },
  { name: 'overwrite and append', prepare: fill(6000), call: write(3001, 9999), judge: judgeData },
  {
    name: 'write into a hole between blocks',
    prepare: (v, f) => {
      must(v.caller.write(f, 0, Buffer.from('first')))
      must(v.caller.write(f, 8 * blockBytes, Buffer.from('last')))
    },
    call: write(2 * blockBytes + 5, 2 * blockBytes),
    judge: judgeData,
  },
  {
    name: 'write over blocks and holes',
    prepare: (v, f) => {
      for (const n of [0, 2, 4, 5]) must(v.caller.write(f, n * blockBytes, new Random(n).bytes(blockBytes)))
    },
    call: write(100, 7 * blockBytes),
    judge: judgeData,
  },
  {
    name: 'write by someone without privileges',
    prepare: (v, f) => {
      fill(5000)(v, f)
      must(v.caller.setattr(f, { mask: SET_MODE, mode: 0o6777 }))
    },
    call: (v, f) => must(v.caller.write(f, 10, new Random(4).bytes(100), true)),
    judge: judgeData,
  },
  ...copies(),
  {
    name: 'write that raises the map',
    prepare: fill(100),
    call: write(600 * blockBytes, 5000),
    judge: judgeData,
  },
  {
    name: 'write far away',
    prepare: fill(100),
    call: write(2 ** 43 + 1, 50),
    judge: judgeAtomic,
    blocks: 256,
  },
  {
    name: 'write of many runs',
    blocks: 768,
    prepare: (v) => fragment(v),
    call: write(1000, 200 * blockBytes),
    judge: judgeData,
  },
  { name: 'truncate to nothing', prepare: fill(20000), call: (v, f) => must(v.caller.truncate(f, 0)) },
  { name: 'truncate within a block', prepare: fill(20000), call: (v, f) => must(v.caller.truncate(f, 9000)) },
  {
    name: 'truncate to the same size',
    prepare: fill(20000),
    call: (v, f) => must(v.caller.truncate(f, 20000)),
  },
  { name: 'truncate that grows', prepare: fill(5000), call: (v, f) => must(v.caller.truncate(f, 2 ** 33)) },
  {
    name: 'truncate that grows over old bytes',
    prepare: (v, f) => {
      fill(5000)(v, f)
      must(v.caller.truncate(f, 4500))
    },
    call: (v, f) => must(v.caller.truncate(f, 4800)),
  },
  {
    name: 'truncate in several transactions',
    blocks: 768,
    prepare: sparse(300),
    call: (v, f) => must(v.caller.truncate(f, 5 * 512 * blockBytes + 1)),
    transactions: 2,
  },
  {
    name: 'truncate of a file in many pieces',
    blocks: 1024,
    prepare: (v, f) => scatter(v, f, 700),
    call: (v, f) => must(v.caller.truncate(f, 100 * blockBytes + 1)),
  },
  {
    name: 'append from a run ahead',
    blocks: 512,
    prepare: inTurn,
    call: (v, f) => must(v.caller.write(f, 40 * blockBytes, new Random(4).bytes(blockBytes))),
    judge: judgeData,
  },
  {
    name: 'append that takes a new run ahead',
    blocks: 512,
    prepare: inTurn,
    call: (v, f) => must(v.caller.write(f, 40 * blockBytes, new Random(4).bytes(80 * blockBytes))),
    judge: judgeData,
  },
  {
    name: 'evict in several transactions',
    blocks: 768,
    prepare: sparse(300),
    call: (v, f) => {
      must(v.caller.unlink(root, 'f'))
      v.caller.forget(f)
    },
    transactions: 2,
  },
  {
    name: 'truncate of an orphan in several transactions',
    blocks: 768,
    prepare: (v, f) => {
      sparse(300)(v, f)
      must(v.caller.file(root, 'other'))
      for (const name of ['f', 'other']) must(v.caller.unlink(root, name))
    },
    call: (v, f) => must(v.caller.truncate(f, 0)),
    transactions: 2,
  },
  {
    name: 'chmod',
    prepare: nothing,
    call: (v, f) => must(v.caller.setattr(f, { mask: SET_MODE, mode: 0o4711 })),
  },
  {
    name: 'chown',
    prepare: (v, f) => must(v.caller.setattr(f, { mask: SET_MODE, mode: 0o6777 })),
    call: (v, f) => must(v.caller.setattr(f, { mask: SET_UID | SET_GID, uid: 5, gid: 6 })),
  },
  {
    name: 'utimens',
    prepare: nothing,
    call: (v, f) =>
      must(
        v.caller.setattr(f, {
          mask: SET_ATIME | SET_MTIME,
          atimeLow: 9,
          atimeHigh: 8,
          mtimeLow: 7,
          mtimeHigh: 4,
        }),
      ),
  },
  {
    name: 'all attributes at once',
    prepare: fill(30000),
    call: (v, f) =>
      must(
        v.caller.setattr(f, {
          mask: SET_MODE | SET_UID | SET_GID | SET_SIZE | SET_ATIME | SET_MTIME | SET_CTIME | KILL_PRIVILEGES,
          mode: 0o2755,
          uid: 77,
          gid: 78,
          sizeLow: 10,
          atimeLow: 1,
          mtimeLow: 2,
          ctimeLow: 3,
        }),
      ),
  },
]

/** With copy-on-write, there are no words of either. */
const wholeWrites = scenarios
  .filter(({ judge, zeroesParts }) => judge === judgeData && zeroesParts !== true)
  .map((scenario) => ({ ...scenario, name: `${scenario.name}, copy-on-write`, judge: judgeAtomic }))
const runs: readonly (Scenario & { readonly data: DataMode })[] = [
  ...scenarios.map((scenario) => ({ ...scenario, data: 'inplace' as const })),
  ...wholeWrites.map((scenario) => ({ ...scenario, data: 'cow' as const })),
]

for (const { name, data, blocks, prepare, call, judge, transactions: least } of casesFor(runs)) {
  void test(name, (t) => {
    const volume = TestVolume.makeFor(data, blocks ?? 256)
    const inode = must(volume.caller.file(root, 'f'))
    prepare(volume, inode)
    volume.caller.setClock(epoch + 5000)
    const ended = volume.medium.load32(firstLaneBlock, laneHeader.word.generation)
    const { failures, images, fences } = exploreCall(volume, (v) => void call(v, inode), random, judge)
    t.same(failures, [], `${images} images around ${fences} fences (PMFS2_SEED=${seed})`)
    const transactions = volume.medium.load32(firstLaneBlock, laneHeader.word.generation) - ended
    if (least !== undefined) t.ok(transactions >= least, `${transactions} transactions`)
    volume.drop()
    t.end()
  })
}
