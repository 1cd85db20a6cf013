// SPDX-License-Identifier: GPL-2.0-only
/** Past 4 GiB, where 32 bits end: of a device, of a file, and of an offset with nothing before it. */
import { type FileHandle, open, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { pattern } from '../posix/fixture.js'
import { run } from '../support/run-command.js'
import { TestMount } from '../support/test-mount.js'

tap.setTimeout(300_000)

const chunkBytes = 2 ** 20
const pageBytes = 4096
const gibibyte = 2 ** 30
const tebibyte = 2 ** 40
/** The volume's own structures lie before the data, so this much reaches past 4 GiB of the device as well. */
const fileBytes = 4 * gibibyte + 256 * chunkBytes
const chunk = pattern(chunkBytes)

/** What the n-th chunk of a file holds: each page says where it belongs. */
function stamp(index: number): Buffer {
  for (let at = 0; at < chunkBytes; at += pageBytes) {
    chunk.writeUInt32LE(index, at)
    chunk.writeUInt32LE(at, at + 4)
  }
  return chunk
}

/** @returns the first chunk that is not as it was written, -1 for none */
async function firstWrongChunk(file: FileHandle, chunks: number): Promise<number> {
  const buffer = Buffer.alloc(chunkBytes)
  for (let index = 0; index < chunks; index++) {
    const { bytesRead } = await file.read(buffer, 0, chunkBytes, index * chunkBytes)
    if (bytesRead !== chunkBytes || !buffer.equals(stamp(index))) return index
  }
  return -1
}

async function withFile<T>(path: string, flags: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, flags)
  try {
    return await work(file)
  } finally {
    await file.close()
  }
}

void tap.test('a file of more than 4 GiB on a device of 6 GiB', async (t) => {
  // The kernel's pages would be as much again as the device.
  const mount = await TestMount.mounted(t, '6G', '-o', 'direct_io')
  const path = join(mount.mountpoint, 'large')
  const chunks = fileBytes / chunkBytes
  const start = performance.now()
  await withFile(path, 'wx', async (file) => {
    for (let index = 0; index < chunks; index++)
      await file.write(stamp(index), 0, chunkBytes, index * chunkBytes)
  })
  t.comment(`written at ${Math.round((chunks / (performance.now() - start)) * 1000)} MiB/s`)
  await mount.remount('-o', 'direct_io')
  const { size, blocks } = await stat(path)
  t.equal(size, fileBytes)
  const extra = blocks * 512 - fileBytes
  t.ok(extra >= 0 && extra < fileBytes / 256, `its map takes ${extra} bytes more`)
  t.equal(await withFile(path, 'r', (file) => firstWrongChunk(file, chunks)), -1, 'all of it is there')
  await truncate(path, 4 * gibibyte + 1)
  await truncate(path, 4 * gibibyte + pageBytes)
  const tail = await withFile(path, 'r', async (file) => {
    const { buffer } = await file.read(Buffer.alloc(pageBytes), 0, pageBytes, 4 * gibibyte)
    return buffer
  })
  t.equal(tail[0], stamp(4096)[0])
  t.ok(tail.subarray(1).equals(Buffer.alloc(pageBytes - 1)), 'what was cut off comes back as zeros')
  await mount.unmount()
  await mount.check()
})

/** Writes a page at `offset` of a sparse file. */
async function writePage(path: string, offset: number): Promise<void> {
  await withFile(path, 'r+', (file) => file.write(stamp(7), 0, pageBytes, offset))
}

async function isHole(path: string, offset: number): Promise<boolean> {
  return withFile(path, 'r', async (file) => {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(chunkBytes, 1), 0, chunkBytes, offset)
    return bytesRead === chunkBytes && buffer.equals(Buffer.alloc(chunkBytes))
  })
}

async function isPage(path: string, offset: number): Promise<boolean> {
  return withFile(path, 'r', async (file) => {
    const { buffer } = await file.read(Buffer.alloc(pageBytes), 0, pageBytes, offset)
    return buffer.equals(stamp(7).subarray(0, pageBytes))
  })
}

async function diskUsageKiB(path: string): Promise<number> {
  return Number((await run('du', ['-k', path])).split('\t')[0])
}

void tap.test('a sparse file of 1 TiB', async (t: Test) => {
  const mount = await TestMount.mounted(t, '64M')
  const path = join(mount.mountpoint, 'sparse')
  await withFile(path, 'wx', (file) => file.truncate(tebibyte))
  t.equal(await diskUsageKiB(path), 0, 'nothing but holes')
  const offsets = [0, 4 * gibibyte - pageBytes, 4 * gibibyte, tebibyte / 2, tebibyte - pageBytes]
  for (const offset of offsets) await writePage(path, offset)

  await mount.remount()
  t.equal((await stat(path)).size, tebibyte)
  const used = await diskUsageKiB(path)
  t.ok(
    used >= offsets.length * 4 && used <= offsets.length * 4 * 5,
    `${used} KiB for ${offsets.length} pages`,
  )
  for (const offset of offsets) t.ok(await isPage(path, offset), `the page at ${offset}`)
  for (const offset of [pageBytes, gibibyte, 5 * gibibyte, tebibyte - 2 * chunkBytes]) {
    t.ok(await isHole(path, offset), `the hole at ${offset}`)
  }
  await truncate(path, gibibyte)
  t.ok((await diskUsageKiB(path)) < used, 'cutting it off gives blocks back')
  await truncate(path, tebibyte)
  t.ok(await isHole(path, tebibyte / 2), 'and leaves holes')
  await mount.unmount()
  await mount.check()
})
