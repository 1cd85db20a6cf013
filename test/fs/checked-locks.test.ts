// SPDX-License-Identifier: GPL-2.0-only
/**
 * The order of locks is held to: every way to break it throws, also where nobody else is in the way. The lock of a
 * small inode number n is the one at place 16 n.
 */
import { type Test, test } from 'tap'
import { CheckedLocks } from '../../src/fs/checked-locks.js'
import { INODE_LOCKS, METADATA_LOCK, SharedState } from '../../src/fs/shared-state.js'

function locksOf(t: Test): CheckedLocks {
  const state = SharedState.create(256)
  t.teardown(() => state.release())
  return new CheckedLocks(state, 0)
}

void test('locks taken in their order, and let go of', (t) => {
  const state = SharedState.create(256)
  const locks = new CheckedLocks(state, 0)
  for (let n = 0; n < 2; n++) {
    locks.lockMetadata()
    locks.lockInodes(9, 3, 1027, 2 ** 30)
    locks.lockAllocator()
    locks.lockSuperblock()
    locks.unlockSuperblock()
    locks.unlockAllocator()
    locks.unlockInodes()
    locks.unlockMetadata()
    locks.readLockInode(5)
    locks.readUnlockInode(5)
    locks.settle()
  }
  t.equal(state.words[METADATA_LOCK], 0)
  t.ok(state.words.subarray(INODE_LOCKS).every((word) => word === 0))
  state.release()
  t.end()
})

void test('what comes earlier is not taken later', (t) => {
  const inodeHeld = locksOf(t)
  inodeHeld.lockInodes(7)
  t.throws(
    () => inodeHeld.lockMetadata(),
    /the metadata lock is taken with an inode lock \(112\) held, which has to come later/,
  )
  t.throws(() => inodeHeld.lockInodes(6), /an inode lock \(96\) is taken with an inode lock \(112\) held/)

  const allocatorHeld = locksOf(t)
  allocatorHeld.lockAllocator()
  t.throws(
    () => allocatorHeld.lockInodes(1),
    /an inode lock \(16\) is taken with the allocator's lock held, which has to come later/,
  )
  t.throws(() => allocatorHeld.lockMetadata(), /the metadata lock is taken with the allocator's lock held/)

  const superblockHeld = locksOf(t)
  superblockHeld.lockSuperblock()
  t.throws(
    () => superblockHeld.lockAllocator(),
    /the allocator's lock is taken with the superblock's lock held, which has to come later/,
  )

  const twice = locksOf(t)
  twice.lockInodes(7)
  t.throws(() => twice.lockInodes(7), /an inode lock \(112\) is taken with an inode lock \(112\) held/)
  t.end()
})

void test('a reader holds nothing else', (t) => {
  const reader = locksOf(t)
  reader.readLockInode(7)
  t.throws(() => reader.lockMetadata(), /the metadata lock is taken by a reader/)
  t.throws(() => reader.lockAllocator(), /the allocator's lock is taken by a reader/)
  t.throws(() => reader.lockInodes(8), /an inode lock \(128\) is taken by a reader/)
  t.throws(() => reader.readLockInode(8), /an inode is read-locked with an inode lock \(112\) held/)

  const writer = locksOf(t)
  writer.lockMetadata()
  t.throws(() => writer.readLockInode(8), /an inode is read-locked with the metadata lock held/)
  t.end()
})

void test('nothing is left held, and nothing let go of that is not', (t) => {
  const locks = locksOf(t)
  locks.lockMetadata()
  t.throws(() => locks.settle(), /a call is over with the metadata lock held/)
  locks.unlockMetadata()
  locks.readLockInode(7)
  t.throws(() => locks.settle(), /a call is over with an inode lock \(112\) held/)
  t.throws(() => locks.readUnlockInode(6), /an inode lock \(96\) is let go of and not held for reading/)
  // From here on whoever sends the reply lets go of it.
  locks.handOverReadLock(7)
  locks.settle()
  t.throws(() => locks.readUnlockInode(7), /an inode lock \(112\) is let go of and not held for reading/)
  t.throws(() => locks.unlockMetadata(), /the metadata lock is let go of and not held/)
  t.end()
})
