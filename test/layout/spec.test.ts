// SPDX-License-Identifier: GPL-2.0-only
/** docs/spec.md tells the format that layout/ declares. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { blockBytes, laneCountFor } from '../../layout/geometry.js'
import { hashBits, mostTwins } from '../../layout/directory.js'
import { structures } from '../../layout/index.js'
import { entriesPerLane } from '../../layout/lane.js'
import { formatVersion } from '../../layout/superblock.js'
import { tablesIn, withTables } from '../../scripts/spec-tables.js'
import { findPackageRoot } from '../../src/native/package-root.js'

const docs = join(findPackageRoot(dirname(fileURLToPath(import.meta.url))), 'docs')
const text = readFileSync(join(docs, 'spec.md'), 'utf8')

void test('its tables are up to date', (t) => {
  t.equal(withTables(text), text, 'otherwise: npm run spec')
  t.end()
})

void test('every structure has its table, in the order of the format', (t) => {
  t.same(
    tablesIn(text),
    structures.map(({ name }) => name),
  )
  t.end()
})

void test('a marker of no structure is refused', (t) => {
  t.throws(() => withTables('<!-- table: nothing -->\n<!-- end of table -->'), /no structure "nothing"/)
  t.end()
})

void test('its drawings and links are there', (t) => {
  for (const [, target] of text.matchAll(/\]\(([^)#]+)\)/g)) {
    t.ok(/^[a-z]+:/.test(target!) || existsSync(join(docs, target!)), `${target}`)
  }
  t.end()
})

void test('numbers in its prose are those of the code', (t) => {
  const said = [
    `This is version ${formatVersion} of the format`,
    `blocks of ${blockBytes} bytes`,
    `${entriesPerLane} entries`,
    `${hashBits} bits`,
    `up to ${mostTwins} entries of one hash`,
    `at least ${laneCountFor(256)}, at most ${laneCountFor(2 ** 31)}`,
  ]
  const prose = text.replace(/\s+/g, ' ')
  for (const sentence of said) t.ok(prose.includes(sentence), sentence)
  t.end()
})
