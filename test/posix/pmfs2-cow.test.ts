// SPDX-License-Identifier: GPL-2.0-only
/** The conformance suite on a mount of our own over /dev/fuse, with copy-on-write. */
import { runVariant } from './variants.js'

await runVariant('devfuse', 'data=cow')
