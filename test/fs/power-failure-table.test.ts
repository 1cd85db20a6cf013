// SPDX-License-Identifier: GPL-2.0-only
/** Power lost while the inode table grows by a block or a node, or gives one back. */
import { test } from 'tap'
import { rootsBlock } from '../../layout/geometry.js'
import { inodesPerBlock } from '../../layout/inode.js'
import { mapEntryWords, mapFanout } from '../../layout/map-node.js'
import { roots } from '../../layout/roots.js'
import { exploreCall } from '../support/crash-explorer.js'
import { Random } from '../support/random.js'
import { TestVolume, root } from '../support/test-volume.js'

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
      t.same(exploreCall(volume, call, random).failures, [])
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
  const volume = TestVolume.of(t, 4096)
  const { caller, medium } = volume
  const directory = caller.mkdir(root, 'd')
  /** The table's second node above its blocks, 0 for none. */
  const secondNode = (of: TestVolume): number => {
    const upper = of.medium.load32(of.medium.load32(rootsBlock, roots.word.tableRoot), 0)
    return of.medium.load32(upper, mapEntryWords)
  }
  let made = 0
  const step = (call: (volume: TestVolume) => void): boolean => {
    const trial = TestVolume.open(volume.medium.clone())
    const before = secondNode(trial)
    call(trial)
    const isOfInterest = (secondNode(trial) === 0) !== (before === 0)
    trial.drop()
    if (isOfInterest) t.same(exploreCall(volume, call, random).failures, [])
    else call(volume)
    return isOfInterest
  }
  while (medium.load32(rootsBlock, roots.word.tableBlocks) < mapFanout) {
    caller.forget(caller.file(directory, `file ${made++}`))
  }
  let comes = false
  for (let n = 0; n < inodesPerBlock + 2 && !comes; n++) {
    const name = `file ${made++}`
    comes = step((on) => on.caller.forget(on.caller.file(directory, name)))
  }
  t.ok(comes, 'a node was added')
  // Others have to be free, or the last block would stay in reserve.
  for (let n = 0; n < 2 * inodesPerBlock; n++) caller.unlink(directory, `file ${n}`)
  let goes = false
  while (!goes && made > mapFanout * inodesPerBlock - 4 * inodesPerBlock) {
    const name = `file ${--made}`
    goes = step((on) => on.caller.unlink(directory, name))
  }
  t.ok(goes, 'a node was freed')
  t.end()
})
