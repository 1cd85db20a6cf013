// SPDX-License-Identifier: GPL-2.0-only
/** What cannot be on a medium is refused, whoever asks for it: the volume stays as it was. */
import { test } from 'tap'
import { SET_SIZE } from '../../src/fs/attributes.js'
import { EFBIG } from '../../src/fs/errno.js'
import { isLargerThanAnyFile } from '../../src/fs/inode.js'
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
