// SPDX-License-Identifier: GPL-2.0-only
/** A load is taken for alive only while each process tells of further operations. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tap from 'tap'
import { temporaryDirectory } from '../support/temporary.js'
import { letGoOn, toldOf, wordBytes } from './progress.js'

/** A guest whose processes have told of so much by the time of each look, the last one of which is the limit. */
function guestTelling(shared: string, looks: readonly (readonly number[])[]) {
  const tell = (counts: readonly number[]): void => {
    const bytes = Buffer.alloc(counts.length * wordBytes)
    counts.forEach((count, n) => bytes.writeBigUInt64LE(BigInt(count), n * wordBytes))
    writeFileSync(join(shared, 'told-0'), bytes)
  }
  tell(looks[0]!)
  return {
    shared,
    isRunning: true,
    reaches: (condition: () => boolean) =>
      Promise.resolve(
        looks.some((counts) => {
          tell(counts)
          return condition()
        }),
      ),
  }
}

void tap.test('each process has to go on', async (t) => {
  const shared = await temporaryDirectory(t)
  const cases = [
    { looks: [[3, 5]], isAlive: false, what: 'all hang' },
    {
      looks: [
        [3, 5],
        [4, 5],
        [900, 5],
      ],
      isAlive: false,
      what: 'one hangs',
    },
    {
      looks: [
        [3, 5],
        [4, 5],
        [4, 6],
      ],
      isAlive: true,
      what: 'each has gone on, one late',
    },
  ]
  for (const { looks, isAlive, what } of cases) {
    const guest = guestTelling(shared, looks)
    t.same(toldOf(guest, 0), looks[0])
    t.equal(await letGoOn(guest, 0, 1), isAlive, what)
  }
  const ended = { ...guestTelling(shared, [[3, 5]]), isRunning: false }
  t.ok(await letGoOn(ended, 0, 1), 'nobody waits for a guest that has ended')
})
