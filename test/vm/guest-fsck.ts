// SPDX-License-Identifier: GPL-2.0-only
/**
 * Runs in the guest: checks the devices of the command line in one process, and prints TAP. Devdax gives no private
 * copy on which fsck could undo transactions, so there a volume that has some in flight is recovered first, as a mount
 * does.
 */
import { checkDevices, exitClean, exitOperational } from '../../src/check/check-device.js'
import { openFiles } from '../../src/api/index.js'

async function check(device: string): Promise<readonly string[]> {
  let outcome = checkDevices([device])
  if (outcome.exitCode === exitOperational && device.startsWith('/dev/dax')) {
    await (await openFiles(device)).close()
    outcome = checkDevices([device])
  }
  if (outcome.exitCode !== exitClean) return [...outcome.problems, `exit code ${outcome.exitCode}`]
  console.log(`# ${[...outcome.notes, outcome.summary ?? ''].join('; ')}`)
  return []
}

console.log('TAP version 14')
let points = 0
for (const device of process.argv.slice(2)) {
  const problems = await check(device)
  points++
  console.log(`${problems.length === 0 ? 'ok' : 'not ok'} ${points} - ${device} is clean`)
  for (const problem of problems) console.log(`# ${problem}`)
}
console.log(`1..${points}`)
