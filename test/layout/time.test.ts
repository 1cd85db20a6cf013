// SPDX-License-Identifier: GPL-2.0-only
import { test } from 'tap'
import {
  decodeNanoseconds,
  decodeSeconds,
  decodeSecondsHigh,
  earliestSeconds,
  encodeTimeHigh,
  latestSeconds,
} from '../../layout/time.js'

const moments: readonly (readonly [what: string, seconds: number])[] = [
  ['the earliest, 1901', earliestSeconds],
  ['the second before 1970', -1],
  ['1970', 0],
  ['now', 1_704_067_200],
  ['the last of 31 bits, 2038', 2 ** 31 - 1],
  ['the first beyond 31 bits', 2 ** 31],
  ['the last of 32 bits, 2106', 2 ** 32 - 1],
  ['the first beyond 32 bits', 2 ** 32],
  ['the first of the third span', 2 ** 31 + 2 ** 32],
  ['the latest, 2446', latestSeconds],
]

void test('moments come back as they were put', (t) => {
  for (const [what, seconds] of moments) {
    for (const nanoseconds of [0, 1, 999_999_999]) {
      const low = seconds >>> 0
      const high = encodeTimeHigh(low, Math.floor(seconds / 2 ** 32), nanoseconds)
      t.equal(decodeSeconds(low, high), seconds, `${what}: seconds`)
      t.equal(decodeSecondsHigh(low, high), Math.floor(seconds / 2 ** 32), `${what}: upper half`)
      t.equal(decodeNanoseconds(high), nanoseconds, `${what}: nanoseconds`)
      t.equal(high, high | 0, `${what}: one word, signed`)
    }
  }
  t.end()
})

void test('the range is that of ext4', (t) => {
  t.equal(new Date(earliestSeconds * 1000).toISOString(), '1901-12-13T20:45:52.000Z')
  t.equal(new Date(latestSeconds * 1000).toISOString(), '2446-05-10T22:38:55.000Z')
  t.end()
})

void test('the two words are those of ext4', (t) => {
  // Documentation/filesystems/ext4/dynamic.rst: extra bits 00 with a negative first word are years before 1970.
  t.equal(encodeTimeHigh(0xffffffff, -1, 5), 5 << 2)
  t.equal(encodeTimeHigh(0x80000000, 0, 0), 1)
  t.equal(encodeTimeHigh(0, 1, 0), 1)
  t.equal(encodeTimeHigh(0x80000000, 1, 7), (7 << 2) | 2)
  t.equal(encodeTimeHigh(0x7fffffff, 3, 0), 3)
  t.end()
})
