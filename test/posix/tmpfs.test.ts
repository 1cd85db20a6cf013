// SPDX-License-Identifier: GPL-2.0-only
/** The conformance suite on the kernel's memory file system: what fails here is a wrong test. */
import { mountTmpfs } from '../support/target.js'
import { runSuites } from './run-suites.js'

await runSuites(mountTmpfs)
