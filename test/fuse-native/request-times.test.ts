// SPDX-License-Identifier: GPL-2.0-only
/** The times of a utimens call, from the record of its request. */
import { test } from 'tap'
import { EINVAL, EOPNOTSUPP } from '../../src/fs/errno.js'
import { timesOf } from '../../src/fuse-native/request-times.js'

function recordOf(atimeMs: bigint, mtimeMs: bigint): Buffer {
  const record = Buffer.alloc(400)
  record.writeBigInt64LE(atimeMs, 104)
  record.writeBigInt64LE(mtimeMs, 112)
  return record
}

void test('both times', (t) => {
  t.same(timesOf(recordOf(1_000n, 2_500n), 1_000), { atimeMs: 1_000, mtimeMs: 2_500 })
  const late = 253_402_300_799_999n
  t.same(timesOf(recordOf(0n, late), 0), { atimeMs: 0, mtimeMs: Number(late) })
  t.end()
})

void test('times before 1970 are refused', (t) => {
  t.equal(timesOf(recordOf(5n, -1n), 5), -EINVAL)
  t.equal(timesOf(recordOf(-1_000n, 5n), Number(BigInt.asUintN(64, -1_000n))), -EINVAL)
  t.end()
})

void test('a record that is laid out otherwise is not read', (t) => {
  t.equal(timesOf(recordOf(1_000n, 2_000n), 1_001), -EOPNOTSUPP)
  t.equal(timesOf(Buffer.alloc(100), 0), -EOPNOTSUPP)
  t.end()
})
