// SPDX-License-Identifier: GPL-2.0-only
/** What a device holds is told also where some of its blocks cannot be read. */
import { join } from 'node:path'
import tap from 'tap'
import { digestOf } from '../../src/api/device-contents.js'
import { mappedReader, readerOf } from '../../src/api/device-reader.js'
import { findSignature } from '../../src/cli/signature.js'
import { type Device, openDevice } from '../../src/pmem/device.js'
import { BadDevice } from '../support/bad-device.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { pmfs2, succeed } from '../support/test-mount.js'
import { sparseFile, writeAt } from '../cli/cli.js'

const page = 4096
const sizeBytes = 2 ** 24
/** Of a file system of CDs, in block 8: the first thing that is looked for in the midst of what is read at once. */
const signature = Buffer.from('\u0001CD001\u0001')
const signatureBytes = 8 * page

function withDevice<Result>(path: string, work: (device: Device) => Result): Result {
  const device = openDevice(path, { access: 'read-only', exclusive: false })
  try {
    return work(device)
  } finally {
    device.close()
  }
}

/** What is found by read(2), and as it is read where there is no read(2). */
function foundOn(path: string): (string | null)[] {
  return withDevice(path, (device) =>
    [readerOf(device), mappedReader(device)].map((read) => findSignature(read, sizeBytes)),
  )
}

void tap.test('a signature beside a bad block', async (t) => {
  const bad = await BadDevice.make(t, sizeBytes)
  writeAt(bad.path, signatureBytes, signature)
  const iso = 'an iso9660 file system'
  for (const blocks of [[0], [4], [9], [0, 1, 7, 15], [16], [sizeBytes / page - 1]]) {
    bad.spoil(...blocks)
    t.same(foundOn(bad.path), [iso, iso], `block ${blocks.join(', ')}`)
    const { end, output } = await pmfs2(['mkfs', bad.path])
    t.equal(end, 1)
    t.match(output, `${bad.path} holds ${iso}; --force overwrites it`)
    bad.mend(...blocks)
  }
  bad.spoil(8)
  t.same(foundOn(bad.path), [null, null], 'a bad block holds none')
  const refused = async (block: number): Promise<void> => {
    const { end, output } = await pmfs2(['mkfs', bad.path])
    t.equal(end, 1)
    const why = `block ${block} cannot be read, so nothing tells what the device holds`
    t.match(output, `${bad.path}: ${why}; --force overwrites it`)
  }
  await refused(8)
  bad.mend(8)
  writeAt(bad.path, signatureBytes, new Uint8Array(signature.length))
  const blocks = sizeBytes / page
  for (const block of [0, 1, 16, 255, blocks - 256, blocks - 1]) {
    bad.spoil(block)
    await refused(block)
    bad.mend(block)
  }
  const all = Array.from({ length: blocks - 2 }, (_, n) => n + 2)
  bad.spoil(...all)
  // A device that fails, but for what the kernel has read of it before.
  await refused(2)
  bad.mend(...all)
})

void tap.test('the digest', async (t) => {
  const bad = await BadDevice.make(t, sizeBytes)
  const digest = (): string => withDevice(bad.path, digestOf)
  writeAt(bad.path, 17 * page, 'something')
  const before = digest()
  bad.spoil(16, 1000)
  const spoiled = digest()
  t.not(spoiled, before)
  t.equal(digest(), spoiled)
  writeAt(bad.path, 17 * page, 'another')
  t.not(digest(), spoiled, 'what stands behind a bad block counts')
  bad.mend(1000)
  writeAt(bad.path, 17 * page, 'something')
  t.not(digest(), spoiled, 'so does which blocks are bad')
  bad.mend(16)
  t.equal(digest(), before)
})

void tap.test('a volume of which nothing can be read that would tell', async (t) => {
  const bad = await BadDevice.make(t, sizeBytes)
  await succeed('mkfs', bad.path, '-q')
  const last = sizeBytes / page - 1
  for (const [blocks, what] of [
    [[0, 1, last], 'it holds no PMFS2 file system'],
    [[1, last], 'both superblocks are damaged'],
  ] as const) {
    bad.spoil(...blocks)
    const of = (block: number) => `block ${block}, byte ${block * page} of ${bad.path}, is bad`
    for (const command of ['info', 'fsck', 'grow']) {
      const { end, output } = await pmfs2([command, bad.path])
      t.not(end, 0)
      t.match(output, `${command}: ${bad.path}: ${what} (`)
      for (const block of blocks) t.match(output, of(block), command)
    }
    bad.mend(...blocks)
  }
})

void tap.test('mkfs and grow, where a block near the start cannot be read', async (t) => {
  const bad = await BadDevice.make(t, sizeBytes)
  const volume = sparseFile(join(await temporaryDirectory(t, SHARED_MEMORY), 'volume'), sizeBytes)
  // It begins a piece of what is looked at, and is none that mkfs stores to.
  const block = 1504
  bad.spoil(block)
  await succeed('mkfs', bad.path, '-q')
  t.match(await succeed('fsck', bad.path), /: clean, /)
  bad.mend(block)
  await succeed('mkfs', volume, '-q')
  for (let at = 0; at < sizeBytes; at += 2 ** 20) writeAt(bad.path, at, new Uint8Array(2 ** 20))
  bad.spoil(block)
  await succeed('grow', volume, bad.path, '-q')
  t.match(await succeed('fsck', volume, bad.path), /: clean, /)
  bad.mend(block)
})
