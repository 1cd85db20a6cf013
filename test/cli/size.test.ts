// SPDX-License-Identifier: GPL-2.0-only
/** Sizes, from people and for people. */
import t from 'tap'
import { formatSize, parseSize } from '../../src/cli/size.js'

void t.test('parseSize', (t) => {
  const sizes: readonly (readonly [string, number])[] = [
    ['0', 0],
    ['4096', 4096],
    ['4096B', 4096],
    ['4K', 4096],
    ['4k', 4096],
    ['4KiB', 4096],
    ['4kib', 4096],
    ['4KB', 4000],
    ['1M', 2 ** 20],
    ['1G', 2 ** 30],
    ['1.5G', 1.5 * 2 ** 30],
    ['.5G', 2 ** 29],
    ['1.1K', 1126],
    ['1T', 2 ** 40],
    ['1 TiB', 2 ** 40],
    [' 2M ', 2 ** 21],
    ['100MB', 100_000_000],
    ['7P', 7 * 2 ** 50],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ]
  for (const [text, bytes] of sizes) t.equal(parseSize(text), bytes, JSON.stringify(text))
  t.end()
})

void t.test('parseSize refuses', (t) => {
  const texts = [
    '',
    ' ',
    'G',
    '1X',
    '1GG',
    '1Gi',
    '-1',
    '-1G',
    '+1',
    '1e9',
    '0x10',
    '1,5G',
    '1.5',
    '1.',
    '1..5G',
    'NaN',
  ]
  for (const text of [...texts, 'Infinity', '1G 2G', '٣G']) {
    t.equal(parseSize(text), null, JSON.stringify(text))
  }
  t.end()
})

void t.test('a size beyond all volumes is a size', (t) => {
  for (const text of ['8P', '9007199254740992', '100000T', '999999999999999999999T'])
    t.equal(parseSize(text), Infinity, text)
  t.end()
})

void t.test('formatSize', (t) => {
  const sizes: readonly (readonly [number, string])[] = [
    [0, '0 bytes'],
    [1, '1 byte'],
    [512, '512 bytes'],
    [1023, '1023 bytes'],
    [1024, '1 KiB'],
    [4096, '4 KiB'],
    [1536, '1.5 KiB'],
    [100 * 2 ** 20, '100 MiB'],
    [1000 * 2 ** 20, '1000 MiB'],
    [2 ** 30, '1 GiB'],
    [1.46 * 2 ** 30, '1.46 GiB'],
    [2 ** 40, '1 TiB'],
    [16 * 2 ** 40, '16 TiB'],
  ]
  for (const [bytes, text] of sizes) t.equal(formatSize(bytes), text)
  t.end()
})

void t.test('a size comes back as it was shown', (t) => {
  for (const text of ['4 KiB', '1 MiB', '1.5 GiB', '16 TiB', '512 bytes']) {
    t.equal(formatSize(parseSize(text.replace('bytes', 'B'))!), text)
  }
  t.end()
})
