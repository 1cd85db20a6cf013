// SPDX-License-Identifier: GPL-2.0-only
/** Brings the tables of docs/spec.md up to date. */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findPackageRoot } from '../src/native/package-root.js'
import { withTables } from './spec-tables.js'

const path = join(findPackageRoot(dirname(fileURLToPath(import.meta.url))), 'docs/spec.md')
const text = readFileSync(path, 'utf8')
const fresh = withTables(text)
if (fresh !== text) writeFileSync(path, fresh)
console.log(fresh === text ? 'docs/spec.md is up to date' : 'docs/spec.md: the tables are made anew')
