// SPDX-License-Identifier: GPL-2.0-only
/** The conformance suite on ext4 on a loop device: what fails here is a wrong test. */
import { mountExt4 } from '../support/target.js'
import { runSuites } from './run-suites.js'

await runSuites(mountExt4)
