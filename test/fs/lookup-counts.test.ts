// SPDX-License-Identifier: GPL-2.0-only
/** However often the kernel looks up an inode, and forgets it again, its count never says "unused" too early. */
import { test } from 'tap'
import { SharedState, mostLookups } from '../../src/fs/shared-state.js'
import { TestVolume, root } from '../support/test-volume.js'

const inode = 5

function stateOf(t: { teardown(end: () => void): void }): SharedState {
  const state = SharedState.create(64)
  t.teardown(() => state.release())
  return state
}

/** Refers to an inode `count` times; what the kernel gives back at once it may have taken at once. */
function retainMany(state: SharedState, count: number): void {
  state.retain(inode)
  state.forget(inode, 1 - count)
}

void test('references are counted exactly', (t) => {
  const state = stateOf(t)
  t.equal(state.lookups(inode), 0)
  retainMany(state, mostLookups)
  t.equal(state.lookups(inode), mostLookups)
  t.equal(state.forget(inode, mostLookups - 2), 2)
  t.equal(state.forget(inode, 2), 0)
  t.equal(state.lookups(inode), 0)
  t.end()
})

void test('one more than can be counted, and the inode stays in use', (t) => {
  const state = stateOf(t)
  retainMany(state, mostLookups)
  state.retain(inode)
  for (const count of [1, mostLookups, mostLookups, 1]) {
    t.equal(state.forget(inode, count), mostLookups)
    t.equal(state.lookups(inode), mostLookups)
  }
  for (let n = 0; n < 3; n++) {
    state.retain(inode)
    t.equal(state.lookups(inode), mostLookups)
  }
  t.equal(state.lookups(inode + 1), 0, 'its neighbour is another matter')
  t.end()
})

void test('a file that was looked up 2³² times is not freed with its last name', (t) => {
  const { volume, caller } = TestVolume.of(t, 512)
  const file = caller.file(root, 'file')
  caller.write(file, 0, Buffer.from('contents'))
  for (let n = 0; n < 2; n++) volume.state.forget(file, -mostLookups)
  volume.state.retain(file)
  t.equal(caller.unlink(root, 'file'), 0)
  t.equal(caller.read(file, 0, 8).toString(), 'contents')
  caller.forget(file)
  t.equal(caller.read(file, 0, 8).toString(), 'contents', 'nor with a reference')
  t.end()
})
