// SPDX-License-Identifier: GPL-2.0-only
/** Names keep all of their bytes, whatever they are. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { absoluteName, givenArguments, kernelName, nameBytes, nameOf } from '../../src/native/file-name.js'
import { rawCommand } from '../../src/native/raw-command.js'
import { temporaryDirectory } from '../support/temporary.js'

const names: readonly (readonly number[])[] = [
  [],
  [0x61],
  [0xff],
  [0x61, 0xff, 0x62],
  [0xc3, 0xa4],
  [0xc3],
  [0xc3, 0xa4, 0xc3],
  [0xef, 0xbb, 0xbf, 0x61],
  // A surrogate in UTF-8 is none; nor is an overlong slash, nor a letter beyond Unicode.
  [0xed, 0xb2, 0x80],
  [0xc0, 0xaf],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf0, 0x9f, 0x98, 0x80, 0x80],
  [0x0a, 0x27, 0x22, 0x5c, 0x24, 0x0a],
]

void t.test('bytes come back', (t) => {
  for (const name of names) {
    const bytes = Buffer.from(name)
    t.same(nameBytes(nameOf(bytes)), bytes, bytes.toString('hex'))
  }
  t.end()
})

void t.test('what is UTF-8 is the same string', (t) => {
  t.equal(nameOf(Buffer.from('Größe/😀')), 'Größe/😀')
  t.equal(kernelName('Größe/😀'), 'Größe/😀')
  t.same(kernelName('a\udcff'), Buffer.of(0x61, 0xff))
  t.end()
})

void t.test('a path that leads up through a link is left to the kernel', (t) => {
  t.equal(absoluteName('/a//b/./c/'), '/a/b/c')
  t.equal(absoluteName('/a/link/../b'), '/a/link/../b')
  t.equal(absoluteName('x'), join(process.cwd(), 'x'))
  t.end()
})

void t.test('a program is given every byte', (t) => {
  const args = names.slice(1).map((name) => nameOf(Buffer.from(name)))
  const [file, words] = rawCommand('printf', ['%s|', ...args])
  const expected = Buffer.concat(names.slice(1).flatMap((name) => [Buffer.from(name), Buffer.from('|')]))
  t.same(spawnSync(file, words).stdout, expected)
  t.same(rawCommand('x', ['y']), ['x', ['y']])
  t.end()
})

void t.test('arguments are read as they were given', async (t) => {
  const file = join(await temporaryDirectory(t), 'cmdline')
  writeFileSync(file, Buffer.from([...Buffer.from('node\0main.js\0'), 0x61, 0xff, 0, 0, 0xfe, 0]))
  t.same(givenArguments(['a\ufffd', '', '\ufffd'], file), ['a\udcff', '', '\udcfe'])
  t.same(
    givenArguments(['a\ufffd', '\ufffd'], file),
    ['a\ufffd', '\ufffd'],
    'where they are others, nothing is guessed',
  )
  t.same(givenArguments(['\ufffd'], join(file, 'missing')), ['\ufffd'])
  t.same(givenArguments(['a'], join(file, 'missing')), ['a'])
})
