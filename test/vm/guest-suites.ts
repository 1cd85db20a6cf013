// SPDX-License-Identifier: GPL-2.0-only
/**
 * Runs in the guest: suites of test/posix, by their places among all. `DEVICE[,DEVICE...] PLACE...` makes a file
 * system on the devices; `--mounted MOUNTPOINT:PLACE,PLACE...` runs them where file systems are mounted already, which
 * saves minutes.
 */
import { readdir } from 'node:fs/promises'
import tap from 'tap'
import { callLimit } from '../support/agent-channel.js'
import { mountPmfs2On, mountedPmfs2 } from '../support/target.js'
import { allSuites, runSuites } from '../posix/run-suites.js'

/** The guest is emulated, where its host has no KVM. */
const limitMs = 3_600_000
callLimit.ms = 300_000

const suitesAt = (places: readonly string[]) => places.map((place) => allSuites[Number(place)]!)

/** The tests of a directory are those before the one that names it. */
function runMounted(argument: string): void {
  const [directory, places] = argument.split(':') as [string, string]
  const target = mountedPmfs2(directory)
  tap.teardown(() => target.release())
  for (const suite of suitesAt(places.split(','))) suite(target)
  void tap.test(`the suites leave nothing in ${directory}`, async (t) => {
    const left = (await readdir(directory)).filter((name) => name.startsWith('scratch-'))
    t.same(left, [])
  })
}

const [first, ...others] = process.argv.slice(2)
if (first === '--mounted') {
  tap.setTimeout(limitMs)
  for (const argument of others) runMounted(argument)
} else await runSuites(() => mountPmfs2On(first!.split(','), limitMs), suitesAt(others), limitMs)
