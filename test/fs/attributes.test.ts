// SPDX-License-Identifier: GPL-2.0-only
/** Which call changes which attribute: times as POSIX marks them, modes, owners, blocks. */
import { test } from 'tap'
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
import type { Attributes } from '../support/engine-caller.js'
import { problemsOf } from '../support/invariants.js'
import { Random } from '../support/random.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

const blockBytes = 4096

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

const times = ['atime', 'mtime', 'ctime'] as const

/** Which times of an inode a call moved to its own moment, as "amc" with dots for those that stayed. */
function marks(before: Attributes, after: Attributes, now: string): string {
  return times
    .map((time) => {
      if (after[time] === before[time]) return '.'
      return after[time] === now ? time[0]! : '?'
    })
    .join('')
}

void test('each call marks the times that POSIX says, of the inodes that it says', (t) => {
  const volume = TestVolume.of(t, 512)
  const { caller } = volume
  const a = must(caller.mkdir(root, 'a'))
  const b = must(caller.mkdir(root, 'b'))
  const f = must(caller.file(a, 'f'))
  must(caller.write(f, 0, Buffer.alloc(10_000, 1)))
  let milliseconds = epoch
  /** Marks of a, b and f. */
  const expect = (wanted: string, what: string, call: () => number) => {
    milliseconds += 1500
    caller.setClock(milliseconds)
    const now = `${Math.floor(milliseconds / 1000)}.${milliseconds % 1000 === 0 ? '000' : '500'}000000`
    const before = [a, b, f].map((inode) => caller.attributes(inode))
    must(call())
    const got = [a, b, f].map((inode, n) => marks(before[n]!, caller.attributes(inode), now)).join(' ')
    t.equal(got, wanted, what)
  }
  expect('.mc ... ...', 'create', () => caller.file(a, 'new'))
  expect('.mc ... ...', 'mkdir', () => caller.mkdir(a, 'sub'))
  expect('.mc ... ...', 'symlink', () => caller.symlink(a, 'link', 'target'))
  expect('.mc ... ...', 'rmdir', () => caller.rmdir(a, 'sub'))
  expect('... .mc ..c', 'link', () => caller.link(f, b, 'second'))
  expect('... .mc ..c', 'unlink', () => caller.unlink(b, 'second'))
  expect('.mc .mc ..c', 'rename', () => caller.rename(a, 'f', b, 'f'))
  expect('... .mc ..c', 'rename in place', () => caller.rename(b, 'f', b, 'g'))
  expect('.mc .mc ..c', 'exchange', () => caller.rename(b, 'g', a, 'new', 2))
  expect('... ... .mc', 'overwrite', () => caller.write(f, 5, Buffer.from('x')))
  expect('... ... .mc', 'append', () => caller.write(f, 20_000, Buffer.from('x')))
  expect('... ... ...', 'write of nothing', () => caller.write(f, 90_000, Buffer.alloc(0)))
  expect('... ... .mc', 'truncate', () => caller.truncate(f, 100))
  expect('... ... .mc', 'truncate that grows', () => caller.truncate(f, 200_000))
  expect('... ... .mc', 'truncate to the same size', () => caller.truncate(f, 200_000))
  expect('... ... ..c', 'chmod', () => caller.setattr(f, { mask: SET_MODE, mode: 0o600 }))
  expect('... ... ..c', 'chown', () => caller.setattr(f, { mask: SET_UID, uid: 3 }))
  expect('... ... ?.c', 'utimens, the first', () => caller.setattr(f, { mask: SET_ATIME, atimeLow: 9 }))
  expect('... ... .?c', 'utimens, the second', () => caller.setattr(f, { mask: SET_MTIME, mtimeLow: 9 }))
  expect('... ... ..?', 'a ctime that the caller keeps', () =>
    caller.setattr(f, { mask: SET_CTIME, ctimeLow: 9 }),
  )
  t.same(problemsOf(volume.medium, true), [])
  t.end()
})

void test('set-user-ID and set-group-ID go when they must', (t) => {
  const volume = TestVolume.of(t, 256)
  const { caller } = volume
  const f = must(caller.file(root, 'f'))
  must(caller.write(f, 0, Buffer.alloc(5000, 1)))
  const set = (mode: number) => must(caller.setattr(f, { mask: SET_MODE, mode }))
  const mode = () => caller.attributes(f).mode & 0o7777
  const cases: [start: number, wanted: number, what: string, call: () => number][] = [
    [0o6777, 0o6777, 'privileged overwrite', () => caller.write(f, 0, Buffer.from('x'))],
    [0o6777, 0o777, 'overwrite', () => caller.write(f, 0, Buffer.from('x'), true)],
    [0o6767, 0o2767, 'overwrite, mandatory locking', () => caller.write(f, 0, Buffer.from('x'), true)],
    [0o6777, 0o777, 'append', () => caller.write(f, 9000, Buffer.from('x'), true)],
    [0o6777, 0o777, 'chown', () => caller.setattr(f, { mask: SET_UID | SET_GID, uid: 1, gid: 2 })],
    [0o6777, 0o777, 'truncate', () => caller.setattr(f, { mask: SET_SIZE | KILL_PRIVILEGES, sizeLow: 3 })],
    [0o6777, 0o6777, 'privileged truncate', () => caller.setattr(f, { mask: SET_SIZE, sizeLow: 2 })],
    [0o777, 0o6711, 'chmod', () => caller.setattr(f, { mask: SET_MODE | SET_UID, mode: 0o106711, uid: 4 })],
  ]
  for (const [start, wanted, what, call] of cases) {
    set(start)
    must(call())
    t.equal(mode().toString(8), wanted.toString(8), what)
  }
  const directory = must(caller.mkdir(root, 'd'))
  must(caller.setattr(directory, { mask: SET_MODE | SET_GID, mode: 0o2775, gid: 55 }))
  must(caller.setattr(directory, { mask: SET_UID, uid: 5 }))
  t.equal(caller.attributes(directory).mode, 0o042775, 'a directory keeps them')
  t.match(caller.attributes(must(caller.file(directory, 'x'))), { gid: 55, mode: 0o100644 })
  t.match(caller.attributes(must(caller.mkdir(directory, 'y'))), { gid: 55, mode: 0o042755 })
  t.end()
})

void test('what was cut off never comes back', (t) => {
  const volume = TestVolume.of(t, 256)
  const { caller } = volume
  const data = new Random(1).bytes(3 * blockBytes)
  const f = must(caller.file(root, 'f'))
  const ways: [what: string, grow: (size: number) => unknown][] = [
    ['truncate', (size) => must(caller.truncate(f, size))],
    ['a write behind it', (size) => must(caller.write(f, size - 1, Buffer.alloc(1)))],
  ]
  for (const [what, grow] of ways) {
    for (const [cut, size] of [
      [100, 200],
      [100, 4096],
      [100, 5000],
      [4096, 8192],
      [4097, 12_000],
      [1, 50_000],
    ] as const) {
      must(caller.truncate(f, 0))
      must(caller.write(f, 0, data))
      must(caller.truncate(f, cut))
      grow(size)
      const wanted = Buffer.concat([data.subarray(0, cut), Buffer.alloc(size - cut)])
      t.ok((caller.read(f, 0, 2 * size) as Buffer).equals(wanted), `${what}: from ${cut} to ${size}`)
    }
  }
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('relatime: the access is noted where it tells something', (t) => {
  const volume = TestVolume.of(t, 256)
  const { caller } = volume
  const f = must(caller.file(root, 'f'))
  const touch = (milliseconds: number) => {
    caller.setClock(milliseconds)
    caller.engine.beginRead(f, 0, 0, 1, { data: () => undefined, hole: () => undefined }, true)
    caller.engine.endRead(f)
    return caller.attributes(f).atime
  }
  const second = (n: number) => `${epoch / 1000 + n}.000000000`
  t.equal(touch(epoch + 1000), second(1), 'as old as the last change')
  t.equal(touch(epoch + 2000), second(1), 'later than the last change: no news')
  caller.setClock(epoch + 3000)
  must(caller.setattr(f, { mask: SET_MODE, mode: 0o600 }))
  t.equal(touch(epoch + 4000), second(4), 'after a change')
  t.equal(touch(epoch + 86_000_000), second(4), 'not yet a day')
  t.equal(touch(epoch + 86_404_000), second(86_404), 'a day later')
  t.same(problemsOf(volume.medium), [])
  t.end()
})
