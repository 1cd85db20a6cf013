// SPDX-License-Identifier: GPL-2.0-only
/** The conformance suite on a device that the package mmap-io maps. */
import { mountPmfs2 } from '../support/target.js'
import { runSuites } from './run-suites.js'

await runSuites(() => mountPmfs2('--channel', 'devfuse', '--mapper', 'mmap-io'))
