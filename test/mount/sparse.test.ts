// SPDX-License-Identifier: GPL-2.0-only
/** Programs that look for holes, and that let the file system copy: nothing grows, and no data passes through them. */
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { pattern } from '../posix/fixture.js'
import { requestCost } from '../support/request-cost.js'
import { turnRingOn } from '../support/ring-switch.js'
import { run } from '../support/run-command.js'
import { TestMount } from '../support/test-mount.js'

tap.setTimeout(300_000)

const mebibyte = 2 ** 20
const sizeBytes = 5 * 2 ** 30 + 12_345
/** Whole blocks, and parts of some. */
const pieces = [
  [0, 4096],
  [700 * mebibyte + 100, 10],
  [4 * 2 ** 30 + 4096, 3 * mebibyte],
  [sizeBytes - 5000, 7],
] as const

async function makeSparse(path: string): Promise<void> {
  const file = await open(path, 'wx')
  for (const [offset, length] of pieces) await file.write(pattern(length, length), 0, length, offset)
  await file.truncate(sizeBytes)
  await file.close()
}

async function areCopies(t: Test, path: string, copy: string): Promise<void> {
  const [original, made] = [await stat(path), await stat(copy)]
  t.equal(made.size, original.size)
  t.equal(made.blocks, original.blocks, 'not a block more')
  const [from, to] = [await open(path), await open(copy)]
  for (const [offset, length] of pieces) {
    const [one, other] = [Buffer.alloc(length + 8192), Buffer.alloc(length + 8192)]
    const start = Math.max(0, offset - 4096)
    await from.read(one, 0, one.length, start)
    await to.read(other, 0, other.length, start)
    t.ok(one.equals(other), `around ${offset}`)
  }
  await from.close()
  await to.close()
}

async function programs(t: Test, channel: string): Promise<void> {
  const mount = await TestMount.mounted(t, '256M', '--channel', channel)
  const path = join(mount.mountpoint, 'sparse')
  await makeSparse(path)
  const apparent = (await run('du', ['-k', '--apparent-size', path])).split('\t')[0]
  t.equal(Number(apparent), Math.ceil(sizeBytes / 1024))
  const kibibytes = Number((await run('du', ['-k', path])).split('\t')[0])
  t.ok(kibibytes < 4 * 1024, `${kibibytes} KiB are allocated`)

  const copy = join(mount.mountpoint, 'copy')
  const counts = await requestCost(mount, () => run('cp', ['--sparse=auto', path, copy]))
  t.ok((counts['LSEEK'] ?? 0) > pieces.length, 'cp looks for holes')
  await areCopies(t, path, copy)

  const archive = join(mount.mountpoint, 'archive')
  await run('tar', ['-C', mount.mountpoint, '-Scf', archive, 'sparse'])
  t.ok((await stat(archive)).size < 4 * mebibyte, 'tar finds the holes')
  await run('tar', ['-C', mount.mountpoint, '--transform=s/sparse/extracted/', '-xf', archive])
  await areCopies(t, path, join(mount.mountpoint, 'extracted'))

  const dense = join(mount.mountpoint, 'dense')
  await run('dd', ['if=/dev/urandom', `of=${dense}`, 'bs=1M', 'count=16', 'status=none'])
  const copying = await requestCost(mount, () => run('cp', [dense, `${dense}-copy`]))
  const copies = (copying['COPY_FILE_RANGE'] ?? 0) + (copying['COPY_FILE_RANGE_64'] ?? 0)
  // One for each 4 MiB, one at the end, and one that finds out which of the two the server knows.
  t.ok(copies >= 4 && copies <= 6, `${copies} requests for 16 MiB`)
  t.equal(copying['WRITE'], undefined)
  await run('cmp', [dense, `${dense}-copy`])
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
  await mount.mount('--channel', channel)
  await areCopies(t, path, copy)
  await run('cmp', [dense, `${dense}-copy`])
}

void tap.test('cp, tar and du over /dev/fuse', (t) => programs(t, 'devfuse'))

// Kernels without a ring have had their turn.
if (turnRingOn(tap) === 'uring') void tap.test('cp, tar and du over io_uring', (t) => programs(t, 'uring'))
