// SPDX-License-Identifier: GPL-2.0-only
/** Locks between threads: one writer or many readers, nobody left asleep. */
import { Worker } from 'node:worker_threads'
import { once } from 'node:events'
import { test } from 'tap'
import { Locks, inodeLock } from '../../src/fs/locks.js'
import { INODE_LOCKS, METADATA_LOCK, SharedState } from '../../src/fs/shared-state.js'

const workers = 3
const rounds = 20_000

/**
 * Threads that count, each round, in plain words (which loses counts without a lock): in one under the metadata lock,
 * in one under the write lock of two inodes, and that see, as readers, a pair of words always equal.
 */
const program = `
  import { workerData, parentPort } from 'node:worker_threads'
  const { Locks } = await import(workerData.locks)
  const { SharedState } = await import(workerData.state)
  const state = SharedState.view(workerData.description)
  const locks = new Locks(state, workerData.worker)
  const words = new Int32Array(workerData.counters)
  let torn = 0
  for (let n = 0; n < workerData.rounds; n++) {
    locks.lockMetadata()
    words[0]++
    locks.unlockMetadata()
    // Both orders, and numbers that share a lock: 5 and 1029.
    if (n & 1) locks.lockInodes(5, 6, 1029)
    else locks.lockInodes(6, 1029, 0, 5)
    words[1]++
    words[2]++
    locks.unlockInodes()
    locks.readLockInode(5)
    if (words[1] !== words[2]) torn++
    locks.readUnlockInode(5)
  }
  parentPort.postMessage(torn)
`

void test('threads under a lock do not lose each other’s stores', async (t) => {
  const state = SharedState.create(256)
  const counters = new SharedArrayBuffer(64)
  const torn = await Promise.all(
    Array.from({ length: workers }, async (_, worker) => {
      const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), {
        workerData: {
          locks: new URL('../../src/fs/locks.js', import.meta.url).href,
          state: new URL('../../src/fs/shared-state.js', import.meta.url).href,
          description: state.description,
          counters,
          rounds,
          worker,
        },
      })
      const [[message]] = (await Promise.all([once(thread, 'message'), once(thread, 'exit')])) as [
        [number],
        unknown,
      ]
      return message
    }),
  )
  t.same(torn, [0, 0, 0], 'no reader saw a writer at work')
  t.same([...new Int32Array(counters).subarray(0, 3)], Array<number>(3).fill(workers * rounds))
  t.equal(state.words[METADATA_LOCK], 0, 'and all are open in the end')
  t.same([...state.words.subarray(INODE_LOCKS, INODE_LOCKS + 1024)], Array<number>(1024).fill(0))
  state.release()
})

void test('a lock tells its owner, is taken once for inodes that share it, and is let go', (t) => {
  const state = SharedState.create(256)
  const locks = new Locks(state, 6)
  locks.lockMetadata()
  t.equal(state.words[METADATA_LOCK], 7, 'worker 6')
  locks.unlockMetadata()
  locks.lockInodes(1030, 3, 6, 2 ** 30 + 3)
  const held = [...state.words.subarray(INODE_LOCKS, INODE_LOCKS + 1024).entries()].filter(
    ([, word]) => word !== 0,
  )
  t.same(
    held.map(([index]) => INODE_LOCKS + index),
    [inodeLock(3), inodeLock(6)],
  )
  locks.unlockInodes()
  locks.readLockInode(9)
  locks.readLockInode(9)
  t.equal(state.words[inodeLock(9)], 2, 'two readers')
  locks.readUnlockInode(9)
  locks.readUnlockInode(9)
  t.equal(state.words[inodeLock(9)], 0)
  state.release()
  t.end()
})

void test('who would wait for ever is told so', (t) => {
  const state = SharedState.create(256)
  const [mine, other] = [new Locks(state, 0), new Locks(state, 6)]
  mine.lockMetadata()
  t.throws(() => mine.lockMetadata(), /the metadata lock, which worker 0 holds already/)
  mine.lockInodes(5)
  t.throws(() => mine.lockInodes(5), /an inode lock, which worker 0 holds already/)
  t.throws(() => mine.readLockInode(5), /an inode lock, which worker 0 holds already/)
  // A worker that failed lets go of nothing; the others are not to wait for it.
  state.markFailed()
  t.throws(() => other.lockMetadata(), /waiting for the metadata lock, which worker 0 holds/)
  t.throws(() => other.readLockInode(5), /waiting for an inode lock, which worker 0 holds/)
  mine.readLockInode(7)
  t.throws(() => other.lockInodes(7), /waiting for an inode lock, which readers hold/)
  state.release()
  t.end()
})
