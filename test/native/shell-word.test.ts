// SPDX-License-Identifier: GPL-2.0-only
/** What a shell makes of a path in a command that a message advises. */
import { execFileSync } from 'node:child_process'
import { test } from 'tap'
import { shownLine } from '../../src/check/name-text.js'
import { nameOf } from '../../src/native/file-name.js'
import { shellWord } from '../../src/native/shell-word.js'

void test('paths as words', (t) => {
  for (const path of ['/dev/pmem0', '/mnt/a_b-c/d.e', 'UUID=1-2', 'größe'])
    t.equal(shellWord(path), path, 'plain ones stay as they are')
  t.equal(shellWord('/mnt/my files'), "'/mnt/my files'")
  t.equal(shellWord("/mnt/it's"), String.raw`'/mnt/it'\''s'`)
  t.equal(shellWord('-rf'), './-rf', 'it is no option')
  t.equal(shellWord('/a\nb'), String.raw`$'/a\x0ab'`)
  t.equal(shellWord(''), "''")
  t.end()
})

void test('a shell takes each for what it was', (t) => {
  const names = [
    'a b',
    "it's",
    '"$HOME"',
    '`id`',
    '~',
    'a\\b',
    '*',
    '{a,b}',
    'a;b',
    "\n'\\",
    '#',
    '!',
    '/ä\u2028',
  ]
  const bytes = [...names.map((name) => Buffer.from(name)), Buffer.from([0x61, 0xff, 0x27, 0x5c, 0x62])]
  for (const name of bytes) {
    // As it is shown, and pasted.
    const line = shownLine(`printf %s ${shellWord(nameOf(name))}`)
    t.same(execFileSync('bash', ['-c', line]), name, line)
  }
  t.end()
})
