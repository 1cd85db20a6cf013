// SPDX-License-Identifier: GPL-2.0-only
/** The conformance suite on a volume of two devices; of its parts a usual run takes some. */
import { sampleOf } from '../support/extent.js'
import { mountPmfs2OnTwo } from '../support/target.js'
import { allSuites, runSuites } from './run-suites.js'

const shareOfSuites = 4

await runSuites(() => mountPmfs2OnTwo('--channel', 'devfuse'), sampleOf(allSuites, shareOfSuites))
