// SPDX-License-Identifier: GPL-2.0-only
/** Power lost while the inode table grows by a block, or gives one back. */
import { test } from 'tap'
import { rootsBlock } from '../../layout/geometry.js'
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
