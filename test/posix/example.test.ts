// SPDX-License-Identifier: GPL-2.0-only
/** The conformance suite on the example of another file system, which the same channels serve. */
import { mountExample } from '../support/target.js'
import { claimedByExample, runSuites } from './run-suites.js'

await runSuites(() => mountExample('devfuse'), claimedByExample)
