// SPDX-License-Identifier: GPL-2.0-only
/** The conformance suite on a mount that is served over io_uring, by one worker per processor. */
import tap from 'tap'
import { runSuites } from '../posix/run-suites.js'
import { overRing, withRing } from '../support/ring-tests.js'
import { mountPmfs2 } from '../support/target.js'

await withRing(tap, () => runSuites(() => mountPmfs2(...overRing)))
