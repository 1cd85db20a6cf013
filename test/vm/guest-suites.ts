// SPDX-License-Identifier: GPL-2.0-only
/** Runs in the guest: suites of test/posix on the device of the command line, by their places among all. */
import { mountPmfs2On } from '../support/target.js'
import { allSuites, runSuites } from '../posix/run-suites.js'

/** The guest is emulated, where its host has no KVM. */
const limitMs = 3_600_000

const [device, ...places] = process.argv.slice(2)
await runSuites(
  () => mountPmfs2On(device!, limitMs),
  places.map((place) => allSuites[Number(place)]!),
  limitMs,
)
