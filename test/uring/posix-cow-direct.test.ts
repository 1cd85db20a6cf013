// SPDX-License-Identifier: GPL-2.0-only
/** The conformance suite on a mount of our own over io_uring, with copy-on-write and without the page cache. */
import tap from 'tap'
import { runVariant } from '../posix/variants.js'
import { withRing } from '../support/ring-tests.js'

await withRing(tap, () => runVariant('uring', 'data=cow,direct_io'))
