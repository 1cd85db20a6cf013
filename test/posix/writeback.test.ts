// SPDX-License-Identifier: GPL-2.0-only
/** The conformance suite on a mount whose writes the kernel gathers, but for holes, which nobody finds there. */
import { mountPmfs2 } from '../support/target.js'
import { runSuites, gatheredSuites } from './run-suites.js'

await runSuites(() => mountPmfs2('--channel', 'devfuse', '-o', 'writeback_cache'), gatheredSuites)
