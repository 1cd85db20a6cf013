// SPDX-License-Identifier: GPL-2.0-only
import { test } from 'tap'
import { flawOf, nothing, sum, summary, tally } from '../../scripts/tap-tally.js'

const nested = `TAP version 14
# Subtest: outer
    # Subtest: inner
        ok 1 - deep
        not ok 2 - wrong
          ---
          found: |
                not ok 9 - a line of what was found
          ...
        1..2
        # failed 1 test of 2
    not ok 1 - inner # time=1ms
    ok 2 - beside
    1..2
not ok 1 - outer # time=2ms
ok 2 - top
1..2
`

const withDirectives = `ok 1 - later # SKIP why
not ok 2 - sometime # TODO
ok 3 - named # as one likes
`

/** A subtest that failed for its plan, or for an assertion that it did not make. */
const emptyHanded = `# Subtest: plan
    ok 1 - first
    1..2
not ok 1 - plan
# Subtest: none
    1..0 # no tests
not ok 2 - none
`

void test('assertions are counted, and subtests are not', (t) => {
  t.same(tally(nested), { ...nothing, total: 4, pass: 3, fail: 1 })
  t.same(tally(withDirectives), { total: 3, pass: 1, fail: 0, skip: 1, todo: 1 })
  t.same(tally(emptyHanded), { ...nothing, total: 3, pass: 1, fail: 2 })
  t.same(tally('okay, this is no test point\n'), nothing)
  t.end()
})

void test('sums', (t) => {
  const counts = sum(tally(nested), tally(withDirectives))
  t.same(counts, { total: 7, pass: 4, fail: 1, skip: 1, todo: 1 })
  t.equal(summary(counts), '{ total: 7, pass: 4, fail: 1, skip: 1, todo: 1 }')
  t.equal(summary({ ...nothing, total: 2, pass: 2 }), '{ total: 2, pass: 2 }')
  t.end()
})

void test('whether the output is whole', (t) => {
  t.equal(flawOf(nested), null)
  t.equal(flawOf('1..1\nok 1 - the plan comes first\n'), null)
  t.equal(flawOf('1..0 # no tests\n'), null)
  t.match(
    flawOf('ok 1 - one\n    1..1\n'),
    /before its plan/,
    'the plan of a subtest is not that of the file',
  )
  t.match(flawOf('ok 1 - one\n  ---\n  found: |\n1..1\n  ...\n'), /before its plan/, 'nor is what was found')
  t.match(flawOf('ok 1 - one\n1..2\n'), /1\.\.2.* 1$/)
  t.match(flawOf('ok 1 - one\nok 2 - two\n1..1\n'), /1\.\.1.* 2$/)
  t.match(flawOf('ok 1 - one\n1..1\n1..1\n'), /2 plans/)
  t.match(flawOf('ok 1 - one\nBail out! no disk\n1..1\n'), /bailed out: no disk$/)
  t.match(flawOf('ok 1 - one\n    Bail out!\n1..1\n'), /bailed out: no reason given$/)
  t.end()
})
