// SPDX-License-Identifier: GPL-2.0-only
/**
 * The conformance suite on a volume of two devices whose writes the kernel gathers, but for holes, which nobody finds
 * there.
 */
import { devicesPreferring } from '../support/device-count.js'
import { mountPmfs2With } from '../support/target.js'
import { runSuites, gatheredSuites } from './run-suites.js'

const mount = () => mountPmfs2With(devicesPreferring(2), '--channel', 'devfuse', '-o', 'writeback_cache')
await runSuites(mount, gatheredSuites)
