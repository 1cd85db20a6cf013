// SPDX-License-Identifier: GPL-2.0-only
/** The judgement of a write that was cut off: eight bytes each, and no size without its data. */
import { test } from 'tap'
import { after, before, tornWrites } from '../torn-writes.js'
import { isMixed } from './acknowledged.js'

void test('what may be left of a write over the end of a file', (t) => {
  const torn = { before: Buffer.from(before), after: Buffer.from(after) }
  for (const [found, expected, title] of tornWrites)
    t.equal(isMixed(Buffer.from(found), torn), expected, title)
  t.end()
})
