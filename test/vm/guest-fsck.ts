// SPDX-License-Identifier: GPL-2.0-only
/**
 * Runs in the guest: checks the volumes of the command line in one process, and prints TAP. A volume is its devices,
 * with commas between them. Devdax gives no private copy on which fsck could undo transactions, so there a volume that
 * has some in flight is recovered first, as a mount does.
 */
import { checkDevices, exitClean, exitOperational } from '../../src/check/check-device.js'
import { openFiles } from '../../src/api/index.js'

async function check(devices: readonly string[]): Promise<readonly string[]> {
  let outcome = checkDevices(devices)
  if (outcome.exitCode === exitOperational && devices.some((device) => device.startsWith('/dev/dax'))) {
    await (await openFiles(devices)).close()
    outcome = checkDevices(devices)
  }
  if (outcome.exitCode !== exitClean) return [...outcome.problems, `exit code ${outcome.exitCode}`]
  console.log(`# ${[...outcome.notes, outcome.summary ?? ''].join('; ')}`)
  return []
}

console.log('TAP version 14')
let points = 0
for (const volume of process.argv.slice(2)) {
  const problems = await check(volume.split(','))
  points++
  console.log(`${problems.length === 0 ? 'ok' : 'not ok'} ${points} - ${volume} is clean`)
  for (const problem of problems) console.log(`# ${problem}`)
}
console.log(`1..${points}`)
