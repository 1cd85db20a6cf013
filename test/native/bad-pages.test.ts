// SPDX-License-Identifier: GPL-2.0-only
/** Pages that the device cannot read: what native calls give, and what loads of JavaScript find. */
import { closeSync, openSync, readSync } from 'node:fs'
import tap, { type Test, test } from 'tap'
import {
  EHWPOISON,
  MAP_COPY_ON_WRITE,
  MAP_READ_ONLY,
  type Mapping,
  PERSIST_CACHE_LINES,
  PERSIST_FENCE_ONLY,
  PERSIST_PAGES,
  badPage,
  failureWord,
  native,
} from '../../src/native/index.js'
import { BadDevice } from '../support/bad-device.js'
import {
  type Memory,
  type Step,
  anonymous,
  copied,
  errno,
  fenced,
  flushed,
  memoryOf,
  persist,
  stored64,
} from './memory.js'
import { startNativeWorker } from './native-worker.js'

// Each device that can go bad is a process.
tap.setTimeout(120_000)

const page = 4096
const pages = 16
const failures = new Int32Array(native.failures())
const table = new Int32Array(native.badPages())

const attention = (): number => failures[failureWord.attention]!

/** What the table has of a mapping: its pages, and those of them that are replaced. */
function badOf(mapping: Mapping): { bad: number[]; replaced: number[] } {
  const found = { bad: [] as number[], replaced: [] as number[] }
  for (let at = 0; at < table.length; at += badPage.words) {
    if (table[at + badPage.mapping] !== mapping) continue
    found.bad.push(table[at + badPage.page]!)
    if (table[at + badPage.isReplaced] !== 0) found.replaced.push(table[at + badPage.page]!)
  }
  return found
}

/** A mapping of pages of sevens on a device that can go bad. */
async function mapped(
  t: Test,
  flags = 0,
  made?: BadDevice,
): Promise<{ device: BadDevice; memory: Memory; fd: number }> {
  const device = made ?? (await BadDevice.make(t, (pages + 2) * page))
  const fd = openSync(device.path, 'r+')
  t.teardown(() => closeSync(fd))
  const whole = native.map(fd, 2 * page, pages * page, 0) as Mapping
  new Uint8Array(native.view(whole)).fill(7)
  t.equal(native.unmap(whole, null), 0)
  // Not from the start, as the offset counts.
  return { device, fd, memory: memoryOf(t, native.map(fd, 2 * page, pages * page, flags)) }
}

for (const [name, flags] of Object.entries({
  shared: PERSIST_PAGES,
  'shared, by cache lines': PERSIST_CACHE_LINES,
  'read-only': MAP_READ_ONLY,
  'copy-on-write': MAP_COPY_ON_WRITE,
}))
  void test(`a load of a bad page finds zeros, and the rest goes on: ${name}`, async (t) => {
    const { device, fd, memory } = await mapped(t, flags)
    const { mapping, bytes } = memory
    const [before, failed] = [attention(), failures[failureWord.count]]
    device.spoil(2 + 5)
    t.throws(() => readSync(fd, Buffer.alloc(1), 0, 1, 7 * page), { code: 'EIO' })
    t.equal(bytes[4 * page], 7, 'its neighbour')
    t.equal(attention(), before, 'nothing has met it')
    t.equal(bytes[5 * page + 100], 0)
    t.equal(attention(), before + 1)
    t.same(badOf(mapping), { bad: [5], replaced: [5] })
    t.equal(native.failureOf(mapping), 0, 'no failure of the mapping')
    t.equal(failures[failureWord.count], failed)
    t.equal(bytes[5 * page + 101], 0)
    t.equal(attention(), before + 1, 'all have heard')
    t.equal(bytes[6 * page], 7)
    native.unmap(mapping, bytes.buffer as ArrayBuffer)
    t.same(badOf(mapping), { bad: [], replaced: [] }, 'it goes with its mapping')
  })

void test('what the helper stores meets it, and no zeros take its place', async (t) => {
  const source = 9
  const steps: Record<string, (bad: number, other: number) => Step[]> = {
    'copy to it': (bad, other) => [copied(bad, 5 * page, other, 0, page)],
    'copy to it, of few bytes': (bad, other) => [copied(bad, 5 * page + 3, other, 3, 20)],
    'copy that runs into it': (bad, other) => [copied(bad, 4 * page, other, 0, 2 * page)],
    'copy from it': (bad, other) => [copied(other, page, bad, 5 * page, page)],
    'copy from it, of few bytes': (bad, other) => [copied(other, page, bad, 5 * page + 1, 7)],
    'store of 8 bytes': (bad) => [stored64(bad, 5 * page + 8, 1, 2)],
  }
  const device = await BadDevice.make(t, (pages + 2) * page)
  for (const how of [PERSIST_PAGES, PERSIST_CACHE_LINES, PERSIST_FENCE_ONLY])
    for (const [name, list] of Object.entries(steps)) {
      const { memory } = await mapped(t, how, device)
      const { mapping, bytes, words } = memory
      const [other, lists] = [anonymous(t, 2 * page), anonymous(t, page)]
      other.bytes.fill(source)
      device.spoil(2 + 5)
      const before = attention()
      const behind = [stored64(mapping, 0, 3, 3), fenced, stored64(mapping, 8, 3, 3)]
      t.equal(persist(lists, ...list(mapping, other.mapping), ...behind), -errno.EIO, name)
      t.same(badOf(mapping), { bad: [5], replaced: [] }, `${name}: noted, and left`)
      t.equal(attention(), before + 1)
      t.same([...words.subarray(0, 4)], Array(4).fill(0x07070707), `${name}: nothing behind it was done`)
      t.ok(
        other.bytes.every((byte) => byte === source),
        `${name}: no zeros came of it`,
      )
      t.equal(persist(lists, stored64(mapping, 16, 4, 4)), 0, 'the rest goes on')
      t.equal(words[4], 4)
      t.equal(persist(lists, ...list(mapping, other.mapping)), -errno.EIO, 'again')
      t.equal(attention(), before + 1, 'which is no news')
      device.mend(2 + 5)
      t.equal(bytes[5 * page + 9], 7, 'what it had')
    }
})

void test('a line of it cannot be flushed', async (t) => {
  const { device, memory } = await mapped(t, PERSIST_CACHE_LINES)
  const lists = anonymous(t, page)
  const { mapping, words } = memory
  device.spoil(2 + 5)
  // It is due at the end of the list, after what is stored.
  t.equal(persist(lists, stored64(mapping, 0, 1, 1), flushed(mapping, 5 * page, 64)), -errno.EIO)
  t.equal(words[0], 1)
  t.same(badOf(mapping), { bad: [5], replaced: [] })
  t.equal(persist(lists, stored64(mapping, 0, 2, 2)), 0, 'the rest goes on')
})

void test('zeros', async (t) => {
  for (const how of [PERSIST_PAGES, PERSIST_CACHE_LINES]) {
    const { device, memory } = await mapped(t, how)
    device.spoil(2 + 5)
    for (const length of [100, 2 * page])
      t.equal(native.zero(memory.mapping, 5 * page, length), -errno.EIO, `${length} bytes`)
    t.same(badOf(memory.mapping), { bad: [5], replaced: [] })
    t.ok(native.zero(memory.mapping, 7 * page, page) >= 0)
  }
})

void test('what has been replaced by zeros is stored nowhere, and nothing is stored to it', async (t) => {
  const { device, memory } = await mapped(t, PERSIST_PAGES)
  const { mapping, bytes } = memory
  const [other, lists] = [anonymous(t, page), anonymous(t, page)]
  other.bytes.fill(9)
  device.spoil(2 + 5)
  const before = attention()
  t.equal(persist(lists, copied(other.mapping, 0, mapping, 5 * page, 8)), -errno.EIO)
  t.equal(bytes[5 * page], 0)
  t.equal(attention(), before + 2, 'from now on, there are zeros')
  const steps: Record<string, Step> = {
    'copy from it': copied(other.mapping, 0, mapping, 5 * page, 8),
    'copy that begins before it': copied(other.mapping, 0, mapping, 5 * page - 1, 2),
    'copy to it': copied(mapping, 5 * page, other.mapping, 0, 8),
    flush: flushed(mapping, 6 * page - 1, 1),
    'store of 8 bytes': stored64(mapping, 6 * page - 8, 1, 1),
  }
  for (const [name, step] of Object.entries(steps)) t.equal(persist(lists, step), -errno.EIO, name)
  t.equal(native.zero(mapping, 5 * page, 8), -errno.EIO)
  t.equal(native.load(mapping, 5 * page, 8, other.bytes, 0), -errno.EIO)
  t.ok(
    other.bytes.every((byte) => byte === 9),
    'no zeros came of it',
  )
  t.equal(persist(lists, copied(mapping, 6 * page, other.mapping, 0, 8)), 0)
  t.equal(persist(lists, flushed(mapping, 4 * page, page)), 0)
})

void test('copies for JavaScript', async (t) => {
  const { device, memory } = await mapped(t)
  const into = new Uint8Array(2 * page).fill(9)
  t.equal(native.load(memory.mapping, 3, page, into, 5), 0)
  t.same([into[4], into[5], into[4 + page], into[5 + page]], [9, 7, 7, 9])
  device.spoil(2 + 5)
  t.equal(native.load(memory.mapping, 5 * page - 1, 2, into, 0), -errno.EIO)
  t.same(badOf(memory.mapping), { bad: [5], replaced: [] }, 'it is left as it is')
  for (const [offset, length, start] of [
    [0, page, 2 * page - page + 1],
    [pages * page, 1, 0],
    [-1, 1, 0],
    [0, 1, -1],
    [0, -1, 0],
  ] as const)
    t.equal(native.load(memory.mapping, offset, length, into, start), -errno.EINVAL)
  t.throws(() => native.load(memory.mapping, 0, 1, new Uint16Array(4) as unknown as Uint8Array, 0), TypeError)
})

void test('more of them than are kept count are a failure', async (t) => {
  const most = table.length / badPage.words
  const many = most + 8
  const device = await BadDevice.make(t, many * page)
  const fd = openSync(device.path, 'r+')
  t.teardown(() => closeSync(fd))
  const { mapping, bytes } = memoryOf(t, native.map(fd, 0, many * page, 0))
  device.spoil(...Array(many).keys())
  for (let n = 0; n < most; n++) if (bytes[n * page] !== 0) t.fail(`page ${n}`)
  t.equal(native.failureOf(mapping), 0)
  t.equal(failures[failureWord.badPages], most)
  const lists = anonymous(t, page)
  t.equal(persist(lists, flushed(mapping, (most - 1) * page, 1)), -errno.EIO)
  t.equal(bytes[most * page], 0)
  t.equal(native.failureOf(mapping), EHWPOISON * 2 ** 32 + most * page, 'and it is no full disk')
  t.equal(badOf(mapping).bad.length, most)
})

void test('a page that can be read after all', async (t) => {
  const { device, memory } = await mapped(t)
  const { mapping, bytes } = memory
  const before = attention()
  // The kernel reads a page twice before it raises SIGBUS.
  device.spoilFor(2 + 5, 2)
  t.equal(bytes[5 * page], 7)
  device.spoilFor(2 + 6, 2)
  const into = new Uint8Array(8)
  t.equal(native.load(mapping, 6 * page, 8, into, 0), 0)
  t.equal(into[0], 7)
  t.equal(native.failureOf(mapping), 0)
  t.same(badOf(mapping), { bad: [], replaced: [] })
  t.equal(attention(), before)
})

void test('a mapping anew has no zeros, and what is still bad is news', async (t) => {
  const { device, memory, fd } = await mapped(t)
  const { mapping, bytes } = memory
  const lists = anonymous(t, page)
  device.spoil(2 + 5, 2 + 6)
  t.same([bytes[5 * page], bytes[6 * page]], [0, 0])
  device.mend(2 + 6)
  t.equal(native.remap(mapping, fd, 2 * page, 0), 0)
  t.same(badOf(mapping), { bad: [5, 6], replaced: [] })
  t.equal(bytes[6 * page], 7)
  t.equal(persist(lists, flushed(mapping, 6 * page, 8)), 0)
  const before = attention()
  t.equal(bytes[5 * page], 0)
  t.equal(attention(), before + 1)
  t.same(badOf(mapping), { bad: [5, 6], replaced: [5] })
  t.equal(persist(lists, flushed(mapping, 5 * page, 8)), -errno.EIO)
})

void test('a thread that meets some while another stores', async (t) => {
  const { device, memory } = await mapped(t, PERSIST_PAGES)
  const worker = await startNativeWorker(t)
  const { mapping } = memory
  const bad = [5, 6, 7, 8, 9, 10, 11, 12]
  const [source, lists] = [anonymous(t, page), anonymous(t, 2 * page)]
  source.bytes.fill(9)
  device.spoil(...bad.map((n) => 2 + n))
  const before = attention()
  const loaded: Promise<number>[] = []
  // Without a look at messages: the other thread loads while this one is in the helper most of the time.
  const copies = Array.from({ length: 100 }, () => copied(mapping, 0, source.mapping, 0, page))
  const end = Date.now() + 20_000
  let stored = 0
  for (; attention() < before + bad.length && Date.now() < end; stored++) {
    const next = bad[stored]
    if (next !== undefined)
      loaded.push(worker.run({ do: 'load', mapping, word: (next * page) / 4, value: 0 }))
    if (persist(lists, ...copies, stored64(mapping, 8, stored, 0)) !== 0) return void t.fail(`list ${stored}`)
  }
  t.equal(attention(), before + bad.length, `met between ${stored} lists`)
  t.ok(stored >= bad.length, 'each was asked for')
  t.same(await Promise.all(loaded), Array(bad.length).fill(0))
  t.same(
    badOf(mapping).replaced.sort((a, b) => a - b),
    bad,
  )
  t.same([memory.words[0], memory.words[2]], [0x09090909, stored - 1])
})
