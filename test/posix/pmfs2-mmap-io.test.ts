// SPDX-License-Identifier: GPL-2.0-only
/** The conformance suite on two devices that the package mmap-io maps; of its parts a usual run takes some. */
import { devicesPreferring } from '../support/device-count.js'
import { sampleOf } from '../support/extent.js'
import { mountPmfs2With } from '../support/target.js'
import { allSuites, runSuites } from './run-suites.js'

const shareOfSuites = 4

const count = devicesPreferring(2)
const mount = () => mountPmfs2With(count, '--channel', 'devfuse', '--mapper', 'mmap-io')
await runSuites(mount, sampleOf(allSuites, shareOfSuites))
