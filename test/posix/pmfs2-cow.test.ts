// SPDX-License-Identifier: GPL-2.0-only
/** What the conformance suite has on contents, on a mount of our own with copy-on-write. */
import { mountPmfs2 } from '../support/target.js'
import { contentSuites, runSuites } from './run-suites.js'

await runSuites(() => mountPmfs2('--channel', 'devfuse', '-o', 'data=cow'), contentSuites)
