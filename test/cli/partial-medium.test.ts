// SPDX-License-Identifier: GPL-2.0-only
/** A medium of which only some windows may be touched. */
import t from 'tap'
import { windowBlocks } from '../../layout/geometry.js'
import { withBlocks } from '../../src/cli/partial-medium.js'
import { createMemoryDevice } from '../../src/pmem/device.js'

const windowBytes = 2 ** 30

void t.test('what was asked for can be touched, and nothing else', (t) => {
  const device = createMemoryDevice(3 * windowBytes)
  t.teardown(() => device.close())
  const [first, middle, last] = [5, windowBlocks, 3 * windowBlocks - 1]
  withBlocks(device, 'read-write', [first, last], (medium) => {
    t.equal(medium.blockCount, 3 * windowBlocks)
    for (const block of [first, last]) {
      medium.store32(block, 7, block)
      medium.zero(block, 0, 16)
      t.equal(medium.load32(block, 7), block)
    }
    t.throws(() => medium.load32(middle, 0), RangeError)
    t.throws(() => medium.bytesOf(middle)[0], RangeError)
    t.throws(() => medium.store32(middle, 0, 1), RangeError)
    medium.store64(middle, 0, 1, 1) // refused by the native helper, which nobody asks: not stored
    t.throws(() => medium.setBits(middle, 0, 1))
    t.throws(() => medium.zero(middle, 0, 16))
    t.throws(() => medium.zero(middle - 1, 0, 8192), 'nor by running on')
    medium.fence()
  })
  withBlocks(device, 'read-only', [middle, last], (medium) => {
    t.equal(medium.load32(last, 7), last, 'what was stored is there')
    t.ok(
      medium
        .bytesOf(middle)
        .subarray(0, 8192)
        .every((byte) => byte === 0),
      'and only there',
    )
  })
  t.end()
})
