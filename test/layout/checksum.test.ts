// SPDX-License-Identifier: GPL-2.0-only
import { test } from 'tap'
import { crc32c, entryChecksum } from '../../layout/checksum.js'

const noHole = -4

void test('CRC-32C of known data', (t) => {
  const digits = Buffer.from('123456789')
  t.equal(crc32c(digits, 0, digits.length, noHole), 0xe3069283)
  // RFC 3720, B.4: the CRCs are told there as their bytes lie.
  t.equal(crc32c(new Uint8Array(32), 0, 32, noHole), 0x8a9136aa)
  t.equal(crc32c(new Uint8Array(32).fill(0xff), 0, 32, noHole), 0x62a8ab43)
  const rising = Uint8Array.from({ length: 32 }, (_, n) => n)
  t.equal(crc32c(rising, 0, 32, noHole), 0x46dd794e)
  t.equal(crc32c(rising.toReversed(), 0, 32, noHole), 0x113fdb5c)
  t.equal(crc32c(digits, 0, 0, noHole), 0)
  t.end()
})

void test('CRC-32C takes a part, and its own place as zeros', (t) => {
  const bytes = Buffer.from('..123456789..')
  t.equal(crc32c(bytes, 2, 9, noHole), 0xe3069283)
  const zeroed = Buffer.from(bytes)
  zeroed.fill(0, 4, 8)
  t.equal(crc32c(bytes, 0, 13, 4), crc32c(zeroed, 0, 13, noHole))
  t.end()
})

void test('the checksum of a log entry depends on every other word of it, and on their order', (t) => {
  const words = Uint32Array.from({ length: 20 }, (_, n) => n * 0x01010101)
  const sum = entryChecksum(words, 2)
  t.equal(sum, entryChecksum(words, 2))
  for (let n = 0; n < 16; n++) {
    for (let bit = 0; bit < 32; bit++) {
      const changed = words.slice()
      changed[2 + n]! ^= 1 << bit
      if (n === 2) t.equal(entryChecksum(changed, 2), sum, 'its own word does not count')
      else if (entryChecksum(changed, 2) === sum) t.fail(`bit ${bit} of word ${n} does not show`)
    }
  }
  const swapped = words.slice()
  swapped[5] = words[6]!
  swapped[6] = words[5]!
  t.not(entryChecksum(swapped, 2), sum)
  t.not(entryChecksum(words, 3), sum, 'the words around it do not count')
  t.end()
})

void test('no entry of zeros holds', (t) => {
  t.not(entryChecksum(new Uint32Array(16), 0), 0)
  t.end()
})
