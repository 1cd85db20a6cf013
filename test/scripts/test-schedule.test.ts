// SPDX-License-Identifier: GPL-2.0-only
import { test } from 'tap'
import { Schedule, type SwitchUse, type TestFile } from '../../scripts/test-schedule.js'

const uses: readonly SwitchUse[] = ['off', 'on', 'unused']

function makeFiles(counts: Readonly<Record<SwitchUse, number>>): TestFile[] {
  return uses.flatMap((switchUse) =>
    Array.from({ length: counts[switchUse] }, (_, n) => ({ path: `${switchUse}-${n}`, switchUse })),
  )
}

/**
 * Runs all, always ending the file that has run longest.
 * @returns the files that ran at the same time, at each start
 */
function play(files: readonly TestFile[], jobs: number): TestFile[][] {
  const schedule = new Schedule(files)
  const running: TestFile[] = []
  const together: TestFile[][] = []
  while (true) {
    const file = running.length < jobs ? schedule.next() : null
    if (file !== null) {
      running.push(file)
      together.push([...running])
    } else if (running.length > 0) schedule.ended(running.shift()!)
    else return together
  }
}

for (const jobs of [1, 2, 3])
  for (const counts of [
    { off: 3, on: 4, unused: 5 },
    { off: 5, on: 2, unused: 0 },
    { off: 0, on: 3, unused: 1 },
    { off: 0, on: 0, unused: 0 },
  ])
    void test(`${JSON.stringify(counts)}, ${jobs} at a time`, (t) => {
      const files = makeFiles(counts)
      const together = play(files, jobs)
      const started = together.map((running) => running.at(-1)!.path)
      t.same([...started].sort(), files.map(({ path }) => path).sort(), 'each runs once')
      for (const running of together) {
        const seen = new Set(running.map(({ switchUse }) => switchUse))
        t.notOk(seen.has('off') && seen.has('on'), 'the switch is not turned under a mount')
      }
      t.end()
    })

void test('one file computes beside those that mount', (t) => {
  const schedule = new Schedule(makeFiles({ off: 3, on: 0, unused: 3 }))
  const start = (): TestFile => schedule.next()!
  const [first, computing, second] = [start(), start(), start()]
  t.same([first.path, computing.path, second.path], ['off-0', 'unused-0', 'off-1'])
  schedule.ended(computing)
  t.equal(start().path, 'unused-1')
  schedule.ended(first)
  t.equal(start().path, 'off-2')
  schedule.ended(second)
  t.equal(start().path, 'unused-2', 'more where no other mounts')
  t.end()
})

void test('files that do not mount fill the gaps', (t) => {
  const schedule = new Schedule(makeFiles({ off: 2, on: 1, unused: 3 }))
  const start = (): TestFile => schedule.next()!
  const [mounting, computing] = [start(), start()]
  t.same([mounting.path, computing.path], ['off-0', 'unused-0'])
  schedule.ended(mounting)
  const last = start()
  t.equal(last.path, 'off-1')
  schedule.ended(computing)
  t.equal(start().path, 'unused-1')
  t.equal(start().path, 'unused-2')
  t.equal(schedule.next(), null, 'what needs the switch waits for the last that does not')
  t.ok(schedule.needsSwitch)
  schedule.ended(last)
  const ring = start()
  t.equal(ring.path, 'on-0')
  t.ok(schedule.needsSwitch)
  schedule.ended(ring)
  t.notOk(schedule.needsSwitch)
  t.end()
})
