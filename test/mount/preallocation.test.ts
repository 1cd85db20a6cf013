// SPDX-License-Identifier: GPL-2.0-only
/** Programs that allocate ahead, punch holes and zero: fallocate(1) of util-linux, cp and dd. */
import { open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { pattern } from '../posix/fixture.js'
import { requestCost } from '../support/request-cost.js'
import { turnRingOn } from '../support/ring-switch.js'
import { run } from '../support/run-command.js'
import { TestMount } from '../support/test-mount.js'

tap.setTimeout(300_000)

const page = 4096
const mebibyte = 2 ** 20

async function blocksOf(path: string): Promise<number> {
  return ((await stat(path)).blocks * 512) / page
}

async function programs(t: Test, channel: string): Promise<void> {
  const mount = await TestMount.mounted(t, '1536M', '--channel', channel)
  const path = join(mount.mountpoint, 'file')

  const large = join(mount.mountpoint, 'large')
  const counts = await requestCost(mount, () => run('fallocate', ['-l', '1G', large]))
  t.equal(counts['FALLOCATE'], 1, 'one request, whatever the length')
  t.equal(counts['WRITE'], undefined)
  t.equal((await stat(large)).size, 2 ** 30)
  t.equal(await blocksOf(large), 2 ** 18 + 512 + 1)
  t.equal((await run('du', ['-m', large])).split('\t')[0], '1027')
  const file = await open(large, 'r+')
  await file.write(pattern(mebibyte), 0, mebibyte, 500 * mebibyte + 7)
  const got = Buffer.alloc(mebibyte + 100)
  await file.read(got, 0, got.length, 500 * mebibyte - 20)
  t.ok(got.subarray(27, -73).equals(pattern(mebibyte)))
  await file.close()
  t.equal(await blocksOf(large), 2 ** 18 + 512 + 1, 'a write takes no block')
  const punched = await requestCost(mount, () => run('fallocate', ['-p', '-o', '1M', '-l', '1G', large]))
  t.equal(punched['FALLOCATE'], 1)
  t.equal((await stat(large)).size, 2 ** 30)
  t.equal(await blocksOf(large), 256 + 2, 'its nodes go as well')

  const data = pattern(40 * page)
  await run('dd', ['if=/dev/zero', `of=${path}`, 'bs=4096', 'count=1', 'status=none'])
  const writer = await open(path, 'r+')
  await writer.write(data, 0, data.length, 0)
  await writer.close()
  const want = Buffer.from(data)
  await run('fallocate', ['-z', '-o', '5000', '-l', '30000', path])
  want.fill(0, 5000, 35_000)
  t.ok((await readFile(path)).equals(want), 'zeroed')
  t.equal(await blocksOf(path), 41)
  await run('fallocate', ['-p', '-o', '40000', '-l', '30000', path])
  want.fill(0, 40_000, 70_000)
  t.ok((await readFile(path)).equals(want), 'punched')
  await run('fallocate', ['-n', '-o', '0', '-l', '1M', path])
  t.equal((await stat(path)).size, data.length)
  t.equal(await blocksOf(path), 257, 'allocated past the end')
  await run('truncate', ['-s', String(data.length), path])
  t.equal(await blocksOf(path), 41)

  const zeros = join(mount.mountpoint, 'zeros')
  await run('dd', ['if=/dev/zero', `of=${zeros}`, 'bs=1M', 'count=8', 'status=none'])
  await run('dd', [
    'if=/dev/urandom',
    `of=${zeros}`,
    'bs=4096',
    'seek=100',
    'count=5',
    'conv=notrunc',
    'status=none',
  ])
  const original = await readFile(zeros)
  t.equal(await blocksOf(zeros), 2048 + 5)
  const copy = join(mount.mountpoint, 'copy')
  await run('cp', ['--sparse=always', zeros, copy])
  t.ok((await readFile(copy)).equals(original))
  t.ok((await blocksOf(copy)) < 200, `${await blocksOf(copy)} blocks of a sparse copy`)
  await run('fallocate', ['-d', zeros])
  t.ok((await readFile(zeros)).equals(original), 'digging holes changes no byte')
  t.ok((await blocksOf(zeros)) < 200, `${await blocksOf(zeros)} blocks after digging holes`)

  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
  await mount.mount('--channel', channel)
  t.ok((await readFile(path)).equals(want))
  t.ok((await readFile(zeros)).equals(original))
}

void tap.test('fallocate, cp and dd over /dev/fuse', (t) => programs(t, 'devfuse'))

// Kernels without a ring have had their turn.
if (turnRingOn(tap) === 'uring')
  void tap.test('fallocate, cp and dd over io_uring', (t) => programs(t, 'uring'))

/** What will never fit is refused, however many parts it takes to see that. */
async function refusesTooMuch(t: Test, channel: string): Promise<void> {
  const mount = await TestMount.mounted(t, '64M', '--channel', channel, '--workers', '1')
  const path = join(mount.mountpoint, 'file')
  await t.rejects(run('fallocate', ['-l', '8T', path]), /No space left/)
  t.equal(await blocksOf(path), 0)
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
}

for (const channel of [turnRingOn(tap), 'devfuse'])
  void tap.test(`more than there is cannot be allocated, over ${channel}`, (t) => refusesTooMuch(t, channel))

async function reusesSpace(t: Test, channel: string): Promise<void> {
  const mount = await TestMount.mounted(t, '24G', '--channel', channel, '--workers', '1')
  const [first, second] = ['first', 'second'].map((name) => join(mount.mountpoint, name)) as [string, string]
  await run('fallocate', ['-l', '20G', first])
  await run('rm', [first])
  await run('fallocate', ['-l', '20G', second])
  await run('truncate', ['-s', '0', second])
  await run('fallocate', ['-l', '20G', first])
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
}

for (const channel of [turnRingOn(tap), 'devfuse'])
  void tap.test(`the space of what was removed a moment ago is there, over ${channel}`, (t) =>
    reusesSpace(t, channel),
  )
