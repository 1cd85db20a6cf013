// SPDX-License-Identifier: GPL-2.0-only
/** Attributes that the kernel keeps where the page cache is out of the way (-o direct_io), and OPEN truncates. */
import tap from 'tap'
import { cachedAttributesSuite } from '../posix/suites/cached-attributes.js'
import { turnRingOn } from '../support/ring-switch.js'
import { mountOverEach } from '../support/target.js'

tap.setTimeout(300_000)

const channels = turnRingOn(tap) === 'uring' ? ['devfuse', 'uring'] : ['devfuse']
for (const target of await mountOverEach(tap, channels, '-o', 'direct_io')) cachedAttributesSuite(target)
