// SPDX-License-Identifier: GPL-2.0-only
/** The conformance suite on a device that the package mmap-io maps; of its parts a usual run takes some. */
import { sampleOf } from '../support/extent.js'
import { mountPmfs2 } from '../support/target.js'
import { allSuites, runSuites } from './run-suites.js'

const shareOfSuites = 4

const mount = () => mountPmfs2('--channel', 'devfuse', '--mapper', 'mmap-io')
await runSuites(mount, sampleOf(allSuites, shareOfSuites))
