#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-only
import { withProgram } from './load.js'

/** As in src/cli/commands.ts. mount, which needs no name, and umount give 2: a system error. */
const exitCodes = { fsck: 8, mkfs: 1, grow: 1, info: 1, dump: 1, help: 1, version: 1 }

// What this thread prints for debugging names places in the sources.
if (process.env.DEBUG !== undefined) process.setSourceMapsEnabled(true)
await withProgram('pmfs2-fuse', ({ main }) => main(), exitCodes[process.argv[2]] ?? 2)
