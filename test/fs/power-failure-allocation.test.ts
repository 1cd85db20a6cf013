// SPDX-License-Identifier: GPL-2.0-only
/** fallocate under loss of power, and all that happens to unwritten blocks. */
import { test } from 'tap'
import { blockBytes, firstLaneBlock } from '../../layout/geometry.js'
import { laneHeader } from '../../layout/lane.js'
import { SET_MODE } from '../../src/fs/attributes.js'
import {
  FALLOC_FL_KEEP_SIZE as KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE as ZERO_RANGE,
} from '../../src/fs/fallocate.js'
import { type Judge, exploreCall, judgeAtomic } from '../support/crash-explorer.js'
import { judgeData, judgeParts } from '../support/data-judge.js'
import { casesFor, useDevicesBySeed } from '../support/medium-in-use.js'
import { Random, seed } from '../support/random.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

useDevicesBySeed()

const random = new Random(seed)
const PUNCH = FALLOC_FL_PUNCH_HOLE | KEEP_SIZE

type Act = (volume: TestVolume, file: number) => unknown

interface Scenario {
  readonly name: string
  readonly blocks?: number
  /** Fills the file /f. */
  readonly prepare: Act
  readonly call: Act
  /** Whole or not at all, unless something else is said. */
  readonly judge?: Judge
  /** That the call takes at the least; 1 and no more, unless said. */
  readonly transactions?: number
}

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

const nothing = () => undefined
const fill =
  (length: number): Act =>
  (v, f) =>
    must(v.caller.write(f, 0, new Random(3).bytes(length)))
const allocate =
  (mode: number, offset: number, length: number): Act =>
  ({ caller }, f) =>
    must(caller.fallocate(f, mode, offset, length))
const both =
  (...acts: readonly Act[]): Act =>
  (v, f) =>
    acts.forEach((act) => act(v, f))

/** Written, unwritten and missing blocks in turn, over the end of a node. */
function mixed({ caller }: TestVolume, f: number): void {
  for (const n of [0, 1, 4, 5, 510, 511, 512, 514]) {
    must(caller.write(f, n * blockBytes, new Random(n).bytes(blockBytes)))
  }
  must(caller.fallocate(f, 0, 2 * blockBytes, blockBytes))
  must(caller.fallocate(f, 0, 513 * blockBytes, blockBytes))
}

/** Single blocks, every other one, none beside the next on the medium either. */
function combed({ caller }: TestVolume, f: number, blocks: number): void {
  for (let n = 0; n < blocks; n++) must(caller.write(f, 2 * (n ^ 1) * blockBytes, Buffer.from('here')))
}

const scenarios: readonly Scenario[] = [
  { name: 'allocate in an empty file', prepare: nothing, call: allocate(0, 100, 9000) },
  { name: 'allocate over the end', prepare: fill(5000), call: allocate(0, 10, 30_000) },
  { name: 'allocate after a single block', prepare: fill(100), call: allocate(0, blockBytes, 1) },
  { name: 'allocate far away', prepare: fill(100), call: allocate(0, 2 ** 31 - 10, 20) },
  { name: 'allocate in holes', prepare: mixed, call: allocate(0, 0, 515 * blockBytes) },
  {
    name: 'allocate and keep the size',
    prepare: fill(5000),
    call: allocate(KEEP_SIZE, 0, 600 * blockBytes),
    blocks: 1024,
  },
  {
    name: 'write into blocks beyond the size',
    prepare: both(fill(5000), allocate(KEEP_SIZE, 0, 20 * blockBytes)),
    call: ({ caller }, f) => must(caller.write(f, 9 * blockBytes + 5, new Random(4).bytes(2 * blockBytes))),
  },
  {
    name: 'truncate to the same size, with blocks beyond it',
    prepare: both(fill(5000), allocate(KEEP_SIZE, 0, 20 * blockBytes)),
    call: ({ caller }, f) => must(caller.truncate(f, 5000)),
  },
  {
    name: 'truncate to a larger size, with blocks beyond it',
    prepare: both(fill(5000), allocate(KEEP_SIZE, 0, 20 * blockBytes)),
    call: ({ caller }, f) => must(caller.truncate(f, 10 * blockBytes + 7)),
  },
  {
    name: 'the end of a file with blocks beyond its size',
    prepare: both(fill(5000), allocate(KEEP_SIZE, 0, 20 * blockBytes)),
    call: ({ caller }, f) => {
      must(caller.unlink(root, 'f'))
      caller.forget(f)
    },
    transactions: 2,
  },
  {
    name: 'punch of whole blocks',
    prepare: fill(40_000),
    call: allocate(PUNCH, 2 * blockBytes, 3 * blockBytes),
  },
  { name: 'punch of all blocks', prepare: fill(40_000), call: allocate(PUNCH, 0, 40_000) },
  { name: 'punch of a single block', prepare: fill(100), call: allocate(PUNCH, 0, 100) },
  { name: 'punch over nodes', prepare: mixed, call: allocate(PUNCH, blockBytes, 513 * blockBytes) },
  {
    name: 'punch of all that a node has',
    prepare: mixed,
    call: allocate(PUNCH, 512 * blockBytes, 3 * blockBytes),
  },
  {
    name: 'punch of parts',
    prepare: fill(40_000),
    call: allocate(PUNCH, 2 * blockBytes - 9, 3 * blockBytes),
    judge: judgeData,
  },
  {
    name: 'punch within a block',
    prepare: fill(40_000),
    call: allocate(PUNCH, 5000, 99),
    judge: judgeData,
    transactions: 0,
  },
  {
    name: 'punch that clears set-ID bits',
    prepare: both(fill(40_000), ({ caller }, f) => must(caller.setattr(f, { mask: SET_MODE, mode: 0o6777 }))),
    call: ({ caller }, f) => must(caller.fallocate(f, PUNCH, 0, blockBytes, true)),
  },
  { name: 'zero whole blocks', prepare: mixed, call: allocate(ZERO_RANGE, 0, 515 * blockBytes) },
  { name: 'zero a single block', prepare: fill(blockBytes), call: allocate(ZERO_RANGE, 0, blockBytes) },
  { name: 'zero parts', prepare: mixed, call: allocate(ZERO_RANGE, 99, 514 * blockBytes), judge: judgeData },
  { name: 'zero over the end', prepare: fill(5000), call: allocate(ZERO_RANGE, blockBytes, 30_001) },
  {
    name: 'zero over the end and keep the size',
    prepare: fill(5000),
    call: allocate(ZERO_RANGE | KEEP_SIZE, blockBytes, 30_001),
  },
  {
    name: 'allocate in more holes than a log has room for',
    blocks: 1024,
    prepare: (v, f) => combed(v, f, 380),
    call: allocate(0, 5, 800 * blockBytes),
    judge: judgeParts,
    transactions: 2,
  },
  {
    name: 'zero more pieces than a log has room for',
    blocks: 1024,
    prepare: (v, f) => combed(v, f, 380),
    call: allocate(ZERO_RANGE, 5, 800 * blockBytes),
    judge: judgeParts,
    transactions: 2,
  },
  {
    name: 'punch more nodes than a transaction frees',
    blocks: 1024,
    prepare: ({ caller }, f) => {
      for (let n = 0; n < 300; n++) must(caller.write(f, n * 512 * blockBytes, Buffer.from('here')))
    },
    call: allocate(PUNCH, 2, 299 * 512 * blockBytes),
    judge: judgeParts,
    transactions: 2,
  },
]

for (const { name, blocks, prepare, call, judge, transactions: least } of casesFor(scenarios)) {
  void test(name, (t) => {
    const volume = TestVolume.make(blocks ?? 768)
    const inode = must(volume.caller.file(root, 'f'))
    prepare(volume, inode)
    volume.caller.setClock(epoch + 5000)
    const ended = volume.medium.load32(firstLaneBlock, laneHeader.word.generation)
    const { failures, images, fences } = exploreCall(
      volume,
      (v) => void call(v, inode),
      random,
      judge ?? judgeAtomic,
    )
    t.same(failures, [], `${images} images around ${fences} fences (PMFS2_SEED=${seed})`)
    const transactions = volume.medium.load32(firstLaneBlock, laneHeader.word.generation) - ended
    if (least === undefined) t.equal(transactions, 1, 'one transaction')
    else t.ok(transactions >= least, `${transactions} transactions`)
    volume.drop()
    t.end()
  })
}
