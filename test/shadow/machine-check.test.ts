// SPDX-License-Identifier: GPL-2.0-only
/** Machine checks, by signals that a process sends itself: where they leave zeros, and where a device fails. */
import { shadow } from '../support/shadow/native.js'
import { closeSync } from 'node:fs'
import { type Test, test } from 'tap'
import { EHWPOISON, type Mapping, badPage, failureWord } from '../../src/native/index.js'
import { checkMapping } from '../../src/pmem/medium-failure.js'

const page = 4096
const pages = 8
const [met, ahead] = [4, 5]
const [divided, undivided, inSystemCall] = [0, 1, 2]
const table = new Int32Array(shadow.badPages())
const counters = new Int32Array(shadow.failures())

/** A mapping of pages of sevens. */
function sevens(t: Test): { mapping: Mapping; bytes: Uint8Array } {
  const fd = shadow.memoryFile('pmfs2-test', pages * page)
  const mapping = shadow.map(fd, 0, pages * page, 0) as Mapping
  closeSync(fd)
  const bytes = new Uint8Array(shadow.view(mapping))
  t.teardown(() => shadow.unmap(mapping, bytes.buffer))
  return { mapping, bytes: bytes.fill(7) }
}

/** Bad pages of a mapping, and whether zeros stand in for them. */
function badOf(mapping: Mapping): [number, number][] {
  const found: [number, number][] = []
  for (let at = 0; at < counters[failureWord.badPages]! * badPage.words; at += badPage.words)
    if (table[at + badPage.mapping] === mapping)
      found.push([table[at + badPage.page]!, table[at + badPage.isReplaced]!])
  return found
}

void test('a load of JavaScript finds zeros', (t) => {
  const { mapping, bytes } = sevens(t)
  shadow.machineCheck(mapping, 3 * page + 8, met, divided)
  t.same([bytes[2 * page], bytes[3 * page], bytes[4 * page]], [7, 0, 7])
  t.same(badOf(mapping), [[3, 1]])
  t.equal(shadow.failureOf(mapping), 0)
  t.end()
})

void test('what nobody has loaded is noted, and left', (t) => {
  for (const [code, how] of [
    [ahead, divided],
    [met, inSystemCall],
  ] as const) {
    const { mapping, bytes } = sevens(t)
    const before = counters[failureWord.attention]!
    shadow.machineCheck(mapping, 3 * page, code, how)
    t.equal(bytes[3 * page], 7, 'a reader that is answered meanwhile is sent no zeros')
    t.same(badOf(mapping), [[3, 0]])
    t.equal(shadow.failureOf(mapping), 0)
    t.equal(counters[failureWord.attention], before + 1)
  }
  t.end()
})

void test('where the kernel does not divide the mapping, its device fails, and is not said to be full', (t) => {
  const { mapping, bytes } = sevens(t)
  shadow.machineCheck(mapping, 3 * page + 8, met, undivided)
  t.equal(shadow.failureOf(mapping), EHWPOISON * 2 ** 32 + 3 * page)
  t.same([bytes[0], bytes[3 * page]], [0, 0])
  t.throws(() => checkMapping(mapping, { path: '/dev/dax0.0', kind: 'devdax' }, 2 ** 30), {
    code: 'EIO',
    message: `cannot access /dev/dax0.0 at byte ${2 ** 30 + 3 * page}: its medium is bad there (SIGBUS)`,
  })
  t.end()
})
