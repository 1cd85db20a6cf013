// SPDX-License-Identifier: GPL-2.0-only
/** A large file is freed in parts, and others come in between: what they see is whole, and nothing is freed twice. */
import { type Test, test } from 'tap'
import { ESTALE } from '../../src/fs/errno.js'
import type { VolumeUsage } from '../../src/fs/volume-usage.js'
import { between } from '../support/between.js'
import { EngineCaller } from '../support/engine-caller.js'
import { problemsOf } from '../support/invariants.js'
import { TestVolume, root } from '../support/test-volume.js'

const blocks = 1024
/** Each with a node of its own, more than one transaction frees. */
const extents = 400

interface Bench {
  readonly volume: TestVolume
  /** Worker 1. */
  readonly other: EngineCaller
  /** A file without names whose blocks take several transactions to free. */
  readonly large: number
  readonly before: VolumeUsage
}

function bench(t: Test): Bench {
  const volume = TestVolume.of(t, blocks)
  const { caller, medium } = volume
  const other = new EngineCaller(volume.volume.engine(1), medium)
  t.teardown(() => other.release())
  caller.file(root, 'first')
  const before = caller.usage()
  const large = caller.file(root, 'large')
  for (let n = 0; n < extents; n++) caller.write(large, n * 512 * 4096, Buffer.from('part'))
  t.equal(caller.unlink(root, 'large'), 0)
  return { volume, other, large, before }
}

void test('others make and remove files meanwhile', (t) => {
  const { volume, other, large, before } = bench(t)
  const found: number[] = []
  const times = between(t, () => {
    found.push(other.engine.find(large))
    const made = other.file(root, 'between')
    other.write(made, 0, Buffer.from('between'))
    t.equal(other.unlink(root, 'between'), 0)
    other.forget(made)
  })
  volume.caller.forget(large)
  t.ok(times() > 0, 'it takes several parts')
  t.ok(
    found.every((number) => number === -ESTALE),
    'by its number it is not found any more',
  )
  t.equal(volume.freeBlocks, before.freeBlocks)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('what is left of it counts as free meanwhile', (t) => {
  const { volume, other, large, before } = bench(t)
  const { freeBlocks, usedInodes } = before
  const held = other.usage()
  t.ok(held.freeBlocks < freeBlocks && held.usedInodes > usedInodes, 'not while it is referred to')
  const times = between(t, () => {
    t.same(other.usage(), before, 'as statfs(2) tells it')
    t.ok(volume.volume.usage().freeBlocks < freeBlocks, 'and it has blocks left')
  })
  volume.caller.forget(large)
  t.ok(times() > 0)
  t.same(other.usage(), before)
  t.end()
})

void test('but not where damage was met, for it may never be free', (t) => {
  const { volume, other, large, before } = bench(t)
  volume.volume.state.countDamage()
  const times = between(t, () => {
    t.ok(other.usage().freeBlocks < before.freeBlocks)
  })
  volume.caller.forget(large)
  t.ok(times() > 0)
  t.end()
})

void test('its number goes to another file, between the last part and the look that finds none', (t) => {
  const { volume, other, large, before } = bench(t)
  const kept: number[] = []
  const times = between(t, () => {
    if (kept.length > 0) return
    // The other worker frees the rest, and the number is the next one to be handed out.
    other.engine.retain(large)
    other.forget(large)
    kept.push(other.file(root, 'anew'))
  })
  volume.caller.forget(large)
  t.ok(times() > 0)
  t.same(kept, [large])
  t.equal(other.lookup(root, 'anew'), large, 'the new file stays')
  t.equal(volume.freeBlocks, before.freeBlocks)
  t.same(problemsOf(volume.medium), [])
  t.end()
})
