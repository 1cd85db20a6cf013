// SPDX-License-Identifier: GPL-2.0-only
/** Attributes that the kernel keeps where the page cache is out of the way (-o direct_io), and OPEN truncates. */
import tap from 'tap'
import { cachedAttributesSuite } from '../posix/suites/cached-attributes.js'
import { turnRingOn } from '../support/ring-switch.js'
import { mountPmfs2 } from '../support/target.js'

tap.setTimeout(300_000)

const channels = turnRingOn(tap) === 'uring' ? ['devfuse', 'uring'] : ['devfuse']
const targets = []
for (const channel of channels) {
  const target = await mountPmfs2('--channel', channel, '-o', 'direct_io')
  tap.teardown(() => target.release())
  targets.push(target)
}
for (const target of targets) cachedAttributesSuite(target)
