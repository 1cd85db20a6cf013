// SPDX-License-Identifier: GPL-2.0-only
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findPackageRoot } from '../../src/native/package-root.js'

export const packageRoot = findPackageRoot(dirname(fileURLToPath(import.meta.url)))

/** The command's shim. */
export const program = join(packageRoot, 'bin', 'pmfs2-fuse.js')
