// SPDX-License-Identifier: GPL-2.0-only
/** The judgement of a write that was cut off: eight bytes each, and no size without its data. */
import { test } from 'tap'
import { isMixed } from './acknowledged.js'

const before = 'aaaaaaaabbbbbbbbcccc'
const after = 'AAAAAAAABBBBBBBBCCCCdddd'

const cases: readonly (readonly [string, boolean, string])[] = [
  [before, true, 'nothing'],
  [after, true, 'all'],
  [`${before}dd`, true, 'a size of one request of several, whose data is there'],
  ['AAAAAAAAbbbbbbbbCCCC', true, 'eight bytes each, old or new'],
  ['AAAAaaaabbbbbbbbcccc', false, 'a part of eight bytes'],
  [`${before}\0\0`, false, 'a size without its data'],
  [`${after}d`, false, 'more than all'],
  [before.slice(1), false, 'less than before'],
]

void test('what may be left of a write over the end of a file', (t) => {
  const torn = { before: Buffer.from(before), after: Buffer.from(after) }
  for (const [found, expected, title] of cases) t.equal(isMixed(Buffer.from(found), torn), expected, title)
  t.end()
})
