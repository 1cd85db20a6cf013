// SPDX-License-Identifier: GPL-2.0-only
/** Power lost while the inode table grows by a block or a node, or gives one back. */
import { test } from 'tap'
import { rootsBlock } from '../../layout/geometry.js'
import { inodesPerBlock } from '../../layout/inode.js'
import { mapEntryWords, mapFanout } from '../../layout/map-node.js'
import { roots } from '../../layout/roots.js'
import { TABLE_HOLE_HINT } from '../../src/fs/shared-state.js'
import { exploreCall } from '../support/crash-explorer.js'
import { problemsOf } from '../support/invariants.js'
import { isTried, useDevicesBySeed } from '../support/medium-in-use.js'
import { Random } from '../support/random.js'
import { TestVolume, root } from '../support/test-volume.js'

useDevicesBySeed()

function heldBlocks({ medium }: TestVolume): number {
  return medium.load32(rootsBlock, roots.word.heldBlocks)
}

void test('power lost while a block comes or goes', (t) => {
  const random = new Random(5)
  const volume = TestVolume.of(t, 1024)
  for (let n = 0; n < 130; n++) volume.caller.forget(volume.caller.file(root, `file ${n}`))
  let seen = 0
  const explore = (call: (volume: TestVolume) => void): void => {
    const trial = TestVolume.open(volume.medium.clone())
    const held = heldBlocks(trial)
    call(trial)
    const isOfInterest = heldBlocks(trial) !== held
    trial.drop()
    if (isOfInterest) {
      seen++
      if (isTried()) t.same(exploreCall(volume, call, random).failures, [])
      else call(volume)
    } else call(volume)
  }
  for (let n = 0; n < 130; n++) explore(({ caller }) => caller.unlink(root, `file ${n}`))
  t.ok(seen >= 2)
  for (let n = 0; n < 70; n++) explore(({ caller }) => caller.forget(caller.file(root, `new ${n}`)))
  t.ok(seen >= 3)
  t.end()
})

void test('power lost while a node of the table comes or goes', (t) => {
  const random = new Random(6)
  const volume = TestVolume.of(t, 1024)
  const { caller, medium } = volume
  const names = Array.from({ length: 3 * inodesPerBlock }, (_, n) => `file ${n}`)
  for (const name of names) caller.forget(caller.file(root, name))
  // All places under the first node count as holes, and the search for one begins below the second.
  medium.store32(rootsBlock, roots.word.tableBlocks, mapFanout + 1)
  const secondNode = (of: TestVolume): number => {
    const upper = of.medium.load32(of.medium.load32(rootsBlock, roots.word.tableRoot), 0)
    return of.medium.load32(upper, mapEntryWords)
  }
  const explore = (call: (on: TestVolume) => void): boolean => {
    const trial = TestVolume.open(volume.medium.clone())
    const before = secondNode(trial)
    call(trial)
    const changes = (secondNode(trial) === 0) !== (before === 0)
    trial.drop()
    if (changes && isTried()) t.same(exploreCall(volume, call, random).failures, [])
    else call(volume)
    return changes
  }
  let made = 0
  const makeOne = (on: TestVolume): void => {
    on.volume.state.words[TABLE_HOLE_HINT] = mapFanout
    on.caller.forget(on.caller.file(root, `new ${made}`))
  }
  while (!explore(makeOne)) made++
  // Other inodes have to be free, or the block would stay.
  for (const name of names.splice(0, 2 * inodesPerBlock)) caller.unlink(root, name)
  t.ok(
    explore((on) => on.caller.unlink(root, `new ${made}`)),
    'the node is freed',
  )
  t.same(problemsOf(medium), [])
  t.end()
})
