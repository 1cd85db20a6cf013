// SPDX-License-Identifier: GPL-2.0-only
/** What cannot be on a medium is refused, whoever asks for it: the volume stays as it was. */
import { test } from 'tap'
import { SET_SIZE } from '../../src/fs/attributes.js'
import { EFBIG, EINVAL } from '../../src/fs/errno.js'
import { isLargerThanAnyFile } from '../../src/fs/inode.js'
import { isMode } from '../../src/fs/mode.js'
import { problemsOf } from '../support/invariants.js'
import { TestVolume, root } from '../support/test-volume.js'

/** The largest size of a file: 2³² - 1 blocks. */
const largest = { low: 0xffff_f000, high: 4095 }

void test('a size beyond the largest file is refused, its words signed or not', (t) => {
  const volume = TestVolume.of(t, 256)
  const { caller } = volume
  const f = caller.file(root, 'f')
  const resize = (sizeLow: number, sizeHigh: number) =>
    caller.setattr(f, { mask: SET_SIZE, sizeLow, sizeHigh })
  t.equal(resize(5, 0), 0)
  for (const [low, high] of [
    [0xffff_ffff, -1],
    [-1, -1],
    [0, -(2 ** 31)],
    [0, 2 ** 31],
    [0xffff_ffff, 0xffff_ffff],
    [0, largest.high + 1],
    [largest.low + 1, largest.high],
    [(largest.low + 1) | 0, largest.high],
  ] as const) {
    t.ok(isLargerThanAnyFile(low, high), `${high}, ${low}`)
    t.equal(resize(low, high), -EFBIG)
  }
  t.equal(caller.attributes(f).size, 5)
  t.equal(caller.write(f, 2 ** 44, Buffer.from('x')), -EFBIG, 'a write that begins beyond it')
  t.equal(resize(largest.low, largest.high), 0, 'the largest')
  t.equal(caller.attributes(f).size, 2 ** 44 - 4096)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('a size grows or shrinks by what its words say, signed or not', (t) => {
  const volume = TestVolume.of(t, 256)
  const { caller } = volume
  const f = caller.file(root, 'f')
  t.equal(caller.write(f, 0, Buffer.alloc(100, 1)), 100)
  t.equal(caller.truncate(f, 50), 0)
  t.equal(caller.setattr(f, { mask: SET_SIZE, sizeLow: -4096 }), 0)
  t.equal(caller.attributes(f).size, 2 ** 32 - 4096)
  t.same(caller.read(f, 0, 100), Buffer.concat([Buffer.alloc(50, 1), Buffer.alloc(50)]))
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('an inode of none of the seven types is not made', (t) => {
  const volume = TestVolume.of(t, 256)
  const { caller } = volume
  const before = caller.usage()
  const beyond = [0o200644, 2 ** 32 + 0o100644, -1, -(2 ** 31) + 0o100644]
  for (const mode of [0, 0o644, 0o070644, 0o170755, 0o160755, NaN, ...beyond]) {
    t.notOk(isMode(mode), mode.toString(8))
    t.equal(caller.make(root, 'x', mode), -EINVAL, mode.toString(8))
  }
  t.same(caller.usage(), before)
  t.same(caller.entries(root), [])
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('a symbolic link has a target, and nothing else has', (t) => {
  const volume = TestVolume.of(t, 256)
  const { caller } = volume
  t.equal(caller.make(root, 'x', 0o120777), -EINVAL, 'a link without one')
  t.equal(caller.symlink(root, 'x', 'a\0b'), -EINVAL, 'a NUL')
  t.equal(caller.symlink(root, 'x', `${'a'.repeat(4000)}\0`), -EINVAL, 'a NUL, far behind')
  t.equal(caller.symlink(root, 'x', 'target', 0o100644), -EINVAL, 'a file with one')
  t.ok(caller.symlink(root, 'x', 'target') > 0)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('a file without a name is a regular one', (t) => {
  const volume = TestVolume.of(t, 256)
  const { caller } = volume
  for (const mode of [0o644, 0o170644, 0o040755, 0o120777])
    t.equal(caller.nameless(root, mode), -EINVAL, mode.toString(8))
  const made = caller.nameless(root)
  t.ok(made > 0)
  caller.forget(made)
  t.same(problemsOf(volume.medium), [])
  t.end()
})
