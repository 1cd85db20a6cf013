#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-only
/** The helper that mount(8) runs for the types pmfs2 and fuse.pmfs2. */
import { withProgram } from './load.js'

await withProgram('mount.pmfs2', ({ mountHelper }) => mountHelper(), 2)
