// SPDX-License-Identifier: GPL-2.0-only
/**
 * Contents and attributes under loss of power, with writes in place: writes, truncation, setattr, and giving blocks
 * back.
 */
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
import type { Judge } from '../support/crash-explorer.js'
import { judgeData } from '../support/data-judge.js'
import { casesFor, useDevicesBySeed } from '../support/medium-in-use.js'
import { seed } from '../support/random.js'
import { type TestVolume, root } from '../support/test-volume.js'
import { type Scenario, explore, fill, must, nothing, write, writes } from '../support/write-scenarios.js'

useDevicesBySeed()

const blockBytes = 4096

interface JudgedScenario extends Scenario {
  readonly judge?: Judge
  /** That the call takes at the least; 1 unless said. */
  readonly transactions?: number
}

/** Single blocks as far apart as a lowest node reaches, so that freeing them takes the most transactions. */
const sparse = (count: number) => (v: TestVolume, inode: number) => {
  for (let n = 0; n < count; n++) must(v.caller.write(inode, n * 512 * blockBytes, Buffer.from('here')))
}

/** A file in single blocks, none beside the next. */
function scatter({ caller }: TestVolume, inode: number, count: number): void {
  for (let n = 0; n < count; n++) must(caller.write(inode, (n ^ 1) * blockBytes, Buffer.from('here')))
}

const scenarios: readonly JudgedScenario[] = [
  ...writes.map((scenario) => ({ ...scenario, judge: judgeData })),
  {
    name: 'write far away',
    prepare: fill(100),
    call: write(2 ** 43 + 1, 50),
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

const generation = ({ medium }: TestVolume): number =>
  medium.load32(firstLaneBlock, laneHeader.word.generation)

for (const scenario of casesFor(scenarios)) {
  void test(scenario.name, (t) => {
    const generations: number[] = []
    const { failures, images, fences } = explore('inplace', scenario, scenario.judge, (volume) =>
      generations.push(generation(volume)),
    )
    t.same(failures, [], `${images} images around ${fences} fences (PMFS2_SEED=${seed})`)
    const transactions = generations[1]! - generations[0]!
    const least = scenario.transactions
    if (least !== undefined) t.ok(transactions >= least, `${transactions} transactions`)
    t.end()
  })
}
