// SPDX-License-Identifier: GPL-2.0-only
/**
 * Makes pauses long, for tests of what comes in between. Node loads this file into the server before anything else, and
 * each pause of the workers then lasts for a while longer once all of them wait: as long as a file of the test's is
 * there, if it names one.
 */
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Workers } from '../../src/daemon/workers.js'

const longerMs = 1500
const stepMs = 10
const held = process.env['PMFS2_TEST_PAUSE']

type Pause = (this: Workers) => Promise<void>

const pause: Pause = Reflect.get(Workers.prototype, 'pause')
const slow: Pause = async function () {
  await pause.call(this)
  if (held === undefined) await sleep(longerMs)
  // A server that has ended otherwise waits for nobody.
  else while (existsSync(held)) await sleep(stepMs, undefined, { ref: false })
}
Reflect.set(Workers.prototype, 'pause', slow)
