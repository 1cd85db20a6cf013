// SPDX-License-Identifier: GPL-2.0-only
/**
 * Node loads this file into the program before anything else. The files $PMFS2_ON_DAX then stand for files on a DAX
 * mount, and what becomes durable of them goes to the files $PMFS2_SHADOW as well. Both are lists of paths with a colon
 * between two.
 */
import { putOnDax } from './dax-files.js'

const { PMFS2_ON_DAX: files = '', PMFS2_SHADOW: copies = '' } = process.env
const copyPaths = copies.split(':')
for (const [n, file] of files.split(':').entries()) putOnDax(file, copyPaths[n]!)
