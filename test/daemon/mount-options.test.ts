// SPDX-License-Identifier: GPL-2.0-only
/** What the options of -o mean, and what of them is passed on. */
import tap from 'tap'
import { parseMountOptions } from '../../src/daemon/mount-options.js'

void tap.test('the last of several holds, over all lists', (t) => {
  t.match(parseMountOptions(['ro,nosuid', 'rw,,noatime', 'relatime']), {
    readOnly: false,
    flags: 2,
    accessTimes: true,
  })
  t.end()
})

void tap.test('fusermount3 is told what it knows', (t) => {
  t.same(parseMountOptions(['ro,relatime,nodiratime,nodev,allow_other']).names, ['ro', 'nodev'])
  t.same(parseMountOptions(['noatime,relatime']).names, [])
  t.same(parseMountOptions(['relatime,noatime']).names, ['noatime'])
  t.equal(parseMountOptions(['nodiratime']).directoryAccessTimes, false, 'the server sees to that')
  t.end()
})
