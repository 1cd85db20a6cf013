// SPDX-License-Identifier: GPL-2.0-only
/** flock(2) and the record locks of fcntl(2), between processes and between descriptors. */
import { constants } from 'node:fs'
import { test } from 'tap'
import {
  F_OFD_SETLK,
  F_RDLCK,
  F_SETLK,
  F_UNLCK,
  F_WRLCK,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  outcome,
} from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { actor, scratch } from '../fixture.js'

const { O_RDONLY, O_RDWR } = constants

export function locksSuite(target: Target): void {
  const { system: sys } = target

  void test('flock: one exclusive holder, or many shared ones', async (t) => {
    const d = await scratch(t, target)
    const other = await actor(t)
    await sys.writeFile(`${d}/a`, '')
    const [mine, theirs] = [await sys.open(`${d}/a`, O_RDWR), await other.open(`${d}/a`, O_RDONLY)]
    await sys.flock(mine, LOCK_EX)
    t.equal(await outcome(other.flock(theirs, LOCK_EX | LOCK_NB)), 'EAGAIN', 'exclusive shuts out exclusive')
    t.equal(await outcome(other.flock(theirs, LOCK_SH | LOCK_NB)), 'EAGAIN', 'and shared')
    await sys.flock(mine, LOCK_SH)
    t.equal(await outcome(other.flock(theirs, LOCK_SH | LOCK_NB)), 'OK', 'shared allows shared')
    t.equal(await outcome(other.flock(theirs, LOCK_EX | LOCK_NB)), 'EAGAIN', 'shared shuts out exclusive')
    await sys.flock(mine, LOCK_UN)
    t.equal(await outcome(other.flock(theirs, LOCK_EX | LOCK_NB)), 'OK')
    await other.close(theirs)
    t.equal(await outcome(sys.flock(mine, LOCK_EX | LOCK_NB)), 'OK', 'close lets go')
    await sys.close(mine)
  })

  void test('flock belongs to the open file, not to the process', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    const [first, second] = [await sys.open(`${d}/a`, O_RDWR), await sys.open(`${d}/a`, O_RDWR)]
    await sys.flock(first, LOCK_EX)
    t.equal(await outcome(sys.flock(second, LOCK_EX | LOCK_NB)), 'EAGAIN')
    t.equal(await outcome(sys.flock(first, LOCK_EX | LOCK_NB)), 'OK', 'the holder may ask again')
    await sys.close(first)
    t.equal(await outcome(sys.flock(second, LOCK_EX | LOCK_NB)), 'OK')
    await sys.close(second)
  })

  void test('a process that waits for flock gets it', async (t) => {
    const d = await scratch(t, target)
    const other = await actor(t)
    await sys.writeFile(`${d}/a`, '')
    const [mine, theirs] = [await sys.open(`${d}/a`, O_RDWR), await other.open(`${d}/a`, O_RDWR)]
    await sys.flock(mine, LOCK_EX)
    let waited = false
    const waiting = other.flock(theirs, LOCK_EX).then(() => (waited = true))
    await new Promise((resolve) => setTimeout(resolve, 50))
    t.equal(waited, false, 'not while it is held')
    await sys.flock(mine, LOCK_UN)
    t.equal(await waiting, true)
    t.equal(await outcome(sys.flock(mine, LOCK_SH | LOCK_NB)), 'EAGAIN')
    await sys.close(mine)
  })

  void test('a process that ends lets go of all locks', async (t) => {
    const d = await scratch(t, target)
    const other = await actor(t)
    await sys.writeFile(`${d}/a`, '')
    await sys.writeFile(`${d}/b`, '')
    await other.flock(await other.open(`${d}/a`, O_RDWR), LOCK_EX)
    await other.setLock(await other.open(`${d}/b`, O_RDWR), F_SETLK, F_WRLCK, 0, 0)
    const [a, b] = [await sys.open(`${d}/a`, O_RDWR), await sys.open(`${d}/b`, O_RDWR)]
    t.equal(await outcome(sys.flock(a, LOCK_EX | LOCK_NB)), 'EAGAIN')
    t.equal(await outcome(sys.setLock(b, F_SETLK, F_WRLCK, 0, 0)), 'EAGAIN')
    await other.stop()
    t.equal(await outcome(sys.flock(a, LOCK_EX | LOCK_NB)), 'OK')
    t.equal(await outcome(sys.setLock(b, F_SETLK, F_WRLCK, 0, 0)), 'OK')
    await sys.close(a)
    await sys.close(b)
  })

  void test('fcntl: ranges that overlap exclude each other, others do not', async (t) => {
    const d = await scratch(t, target)
    const other = await actor(t)
    await sys.writeFile(`${d}/a`, '')
    const [mine, theirs] = [await sys.open(`${d}/a`, O_RDWR), await other.open(`${d}/a`, O_RDWR)]
    await sys.setLock(mine, F_SETLK, F_WRLCK, 100, 50)
    for (const [start, length, result] of [
      [100, 50, 'EAGAIN'],
      [0, 101, 'EAGAIN'],
      [149, 1, 'EAGAIN'],
      [0, 0, 'EAGAIN'],
      [0, 100, 'OK'],
      [150, 10, 'OK'],
      [2 ** 40, 1, 'OK'],
    ] as const) {
      const call = other.setLock(theirs, F_SETLK, F_WRLCK, start, length)
      t.equal(await outcome(call), result, `${length} bytes from ${start}`)
    }
    t.equal(await outcome(other.setLock(theirs, F_SETLK, F_RDLCK, 120, 1)), 'EAGAIN', 'reading too')
    t.same(await other.lockOwner(theirs, F_WRLCK, 0, 0), [F_WRLCK, 100, 50, await sys.getpid()])
    await sys.setLock(mine, F_SETLK, F_UNLCK, 110, 10)
    t.equal(await outcome(other.setLock(theirs, F_SETLK, F_WRLCK, 110, 10)), 'OK', 'a piece let go')
    t.same(await other.lockOwner(theirs, F_WRLCK, 115, 100), [F_WRLCK, 120, 30, await sys.getpid()])
    await sys.setLock(mine, F_SETLK, F_UNLCK, 0, 0)
    t.same((await other.lockOwner(theirs, F_WRLCK, 0, 0))[0], F_UNLCK, 'no lock is in the way')
    await sys.close(mine)
  })

  void test('fcntl: readers share, and need the right mode of descriptor', async (t) => {
    const d = await scratch(t, target)
    const other = await actor(t)
    await sys.writeFile(`${d}/a`, '')
    const [mine, theirs] = [await sys.open(`${d}/a`, O_RDWR), await other.open(`${d}/a`, O_RDONLY)]
    await sys.setLock(mine, F_SETLK, F_RDLCK, 0, 10)
    t.equal(await outcome(other.setLock(theirs, F_SETLK, F_RDLCK, 5, 10)), 'OK')
    t.equal(
      await outcome(other.setLock(theirs, F_SETLK, F_WRLCK, 50, 10)),
      'EBADF',
      'a write lock while read-only',
    )
    t.equal(await outcome(sys.setLock(mine, F_SETLK, F_WRLCK, 0, 10)), 'EAGAIN', 'no upgrade over a reader')
    t.equal(await outcome(sys.setLock(mine, F_SETLK, F_WRLCK, 0, 5)), 'OK', 'beside one it is fine')
    await sys.close(mine)
  })

  void test('fcntl: closing any descriptor of the file lets go of the process’s locks', async (t) => {
    const d = await scratch(t, target)
    const other = await actor(t)
    await sys.writeFile(`${d}/a`, '')
    const [mine, theirs] = [await sys.open(`${d}/a`, O_RDWR), await other.open(`${d}/a`, O_RDWR)]
    await sys.setLock(mine, F_SETLK, F_WRLCK, 0, 10)
    t.equal(await outcome(other.setLock(theirs, F_SETLK, F_WRLCK, 0, 10)), 'EAGAIN')
    await sys.close(await sys.open(`${d}/a`, O_RDONLY))
    t.equal(await outcome(other.setLock(theirs, F_SETLK, F_WRLCK, 0, 10)), 'OK')
    await sys.close(mine)
  })

  void test('fcntl: locks of open files stand between descriptors of one process', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    const [first, second] = [await sys.open(`${d}/a`, O_RDWR), await sys.open(`${d}/a`, O_RDWR)]
    await sys.setLock(first, F_OFD_SETLK, F_WRLCK, 0, 10)
    t.equal(await outcome(sys.setLock(second, F_OFD_SETLK, F_WRLCK, 9, 1)), 'EAGAIN')
    t.equal(await outcome(sys.setLock(second, F_OFD_SETLK, F_WRLCK, 10, 1)), 'OK')
    await sys.close(await sys.open(`${d}/a`, O_RDONLY))
    t.equal(
      await outcome(sys.setLock(second, F_OFD_SETLK, F_WRLCK, 0, 1)),
      'EAGAIN',
      'another close lets nothing go',
    )
    await sys.close(first)
    t.equal(await outcome(sys.setLock(second, F_OFD_SETLK, F_WRLCK, 0, 1)), 'OK')
    await sys.close(second)
  })

  void test('locks stay with a file that is renamed or has no name', async (t) => {
    const d = await scratch(t, target)
    const other = await actor(t)
    await sys.writeFile(`${d}/a`, '')
    const [mine, theirs] = [await sys.open(`${d}/a`, O_RDWR), await other.open(`${d}/a`, O_RDWR)]
    await sys.flock(mine, LOCK_EX)
    await sys.rename(`${d}/a`, `${d}/b`)
    await sys.writeFile(`${d}/a`, '')
    const fresh = await other.open(`${d}/a`, O_RDWR)
    t.equal(await outcome(other.flock(fresh, LOCK_EX | LOCK_NB)), 'OK', 'a new file of the name is free')
    t.equal(await outcome(other.flock(theirs, LOCK_EX | LOCK_NB)), 'EAGAIN')
    await sys.unlink(`${d}/b`)
    t.equal(await outcome(other.flock(theirs, LOCK_EX | LOCK_NB)), 'EAGAIN')
    await sys.close(mine)
    t.equal(await outcome(other.flock(theirs, LOCK_EX | LOCK_NB)), 'OK')
  })
}
