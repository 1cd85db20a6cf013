// SPDX-License-Identifier: GPL-2.0-only
/**
 * Makes pauses long, for tests of what comes in between. Node loads this file into the server before anything else, and
 * each pause of the workers then lasts for a while longer once all of them wait.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Workers } from '../../src/daemon/workers.js'

const longerMs = 1500

type Pause = (this: Workers) => Promise<void>

const pause: Pause = Reflect.get(Workers.prototype, 'pause')
const slow: Pause = async function () {
  await pause.call(this)
  await sleep(longerMs)
}
Reflect.set(Workers.prototype, 'pause', slow)
