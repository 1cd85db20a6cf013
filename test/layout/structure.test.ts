// SPDX-License-Identifier: GPL-2.0-only
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'tap'
import { bytes, structure, time, u32, u64 } from '../../layout/structure.js'

void test('a structure tells where its fields lie', (t) => {
  const made = structure('made', 24, 'for the test', {
    first: u32('four bytes'),
    second: bytes(4, 'four more'),
    third: u64('eight bytes'),
    fourth: time('eight more'),
  })
  t.same(made.word, { first: 0, second: 1, third: 2, fourth: 4 })
  t.equal(made.lengthWords, 6)
  t.same(
    made.fields.map(({ name, kind, doc }) => [name, kind, doc]),
    [
      ['first', 'u32', 'four bytes'],
      ['second', 'bytes', 'four more'],
      ['third', 'u64', 'eight bytes'],
      ['fourth', 'time', 'eight more'],
    ],
  )
  t.end()
})

void test('the words of a structure are constants to the compiler, however many they are', (t) => {
  setFlagsFromString('--allow-natives-syntax')
  const isFast = runInNewContext('(object) => %HasFastProperties(object)') as (object: object) => boolean
  const declarations = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`field${n}`, u32('')]))
  t.ok(isFast(structure('wide', 400, '', declarations).word))
  t.end()
})

void test('a structure that its fields do not fill exactly is refused', (t) => {
  const message = /fields of short take 8 bytes, not 12/
  t.throws(() => structure('short', 12, '', { a: u32(''), b: u32('') }), message)
  t.throws(() => structure('long', 4, '', { a: u32(''), b: u32('') }), /fields of long take 8 bytes, not 4/)
  t.end()
})

void test('a field that is not aligned to its size is refused', (t) => {
  t.throws(() => structure('odd', 12, '', { a: u32(''), b: u64('') }), /odd\.b is not aligned/)
  t.throws(() => structure('odd', 12, '', { a: u32(''), b: time('') }), /odd\.b is not aligned/)
  t.throws(() => structure('odd', 7, '', { a: bytes(3, ''), b: u32('') }), /odd\.b is not aligned/)
  t.end()
})
