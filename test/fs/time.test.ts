// SPDX-License-Identifier: GPL-2.0-only
/** The clock's encoding beyond the ends of 32-bit seconds, and the order of moments that relatime goes by. */
import { test } from 'tap'
import { decodeNanoseconds, decodeSeconds, decodeSecondsHigh } from '../../layout/time.js'
import { SET_ATIME, SET_MTIME } from '../../src/fs/attributes.js'
import { Clock } from '../../src/fs/clock.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

/** 1901, 1969, 1970, 2038 before and after, 2106, 2242 and 2446, in seconds. */
const moments = [
  -(2 ** 31),
  -1,
  0,
  1,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 33 + 5,
  2 ** 31 + 3 * 2 ** 32 - 1,
]

void test('the clock holds what it was set to', (t) => {
  const clock = new Clock()
  for (const seconds of moments) {
    clock.set(seconds % 2 ** 32, Math.floor(seconds / 2 ** 32), 999_999_999)
    const high = clock.high >>> 0
    t.equal(decodeSeconds(clock.low, high), seconds)
    t.equal(decodeSecondsHigh(clock.low >>> 0, high), Math.floor(seconds / 2 ** 32))
    t.equal(decodeNanoseconds(high), 999_999_999)
    clock.setMilliseconds(seconds * 1000 + 250)
    t.equal(decodeSeconds(clock.low, clock.high >>> 0), seconds)
    t.equal(decodeNanoseconds(clock.high >>> 0), 250_000_000)
    t.equal(clock.low, clock.low | 0, 'the words are small integers')
    t.equal(clock.high, clock.high | 0)
  }
  t.end()
})

void test('an access is noted exactly where the last one is not later than the last change', (t) => {
  const volume = TestVolume.of(t, 256)
  const { caller } = volume
  const file = caller.file(root, 'f')
  const clock = new Clock()
  const words = (seconds: number, nanoseconds: number): [number, number] => {
    clock.set(seconds % 2 ** 32, Math.floor(seconds / 2 ** 32), nanoseconds)
    return [clock.low, clock.high]
  }
  // The ctime of what is changed now is the clock's: with a clock in 1901, only the mtime tells.
  caller.setClock(-(2 ** 31) * 1000)
  for (const [n, accessed] of moments.entries()) {
    for (const [k, changed] of moments.entries()) {
      if (accessed === moments[0]) continue
      const [atimeLow, atimeHigh] = words(accessed, 5)
      const [mtimeLow, mtimeHigh] = words(changed, 5)
      caller.setattr(file, { mask: SET_ATIME | SET_MTIME, atimeLow, atimeHigh, mtimeLow, mtimeHigh })
      const before = caller.attributes(file).atime
      // The same moment as the access, so that a day has not gone by.
      caller.engine.clock.set(accessed % 2 ** 32, Math.floor(accessed / 2 ** 32), 6)
      caller.engine.beginRead(file, 0, 0, 1, { data: () => undefined, hole: () => undefined }, true)
      caller.engine.endRead(file)
      t.equal(caller.attributes(file).atime !== before, k >= n, `accessed ${accessed}, changed ${changed}`)
      caller.setClock(-(2 ** 31) * 1000)
    }
  }
  caller.setClock(epoch)
  t.end()
})
