// SPDX-License-Identifier: GPL-2.0-only
/**
 * `-o data=cow`: a request to write is there as a whole or not at all after a power failure. These tests state which
 * write(2) are one request, as that is the kernel's choice, and that a killed server leaves none of them torn.
 */
import { constants } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import tap from 'tap'
import { actor, pattern } from '../posix/fixture.js'
import { requestCost } from '../support/request-cost.js'
import { outcome } from '../support/system.js'
import { TestMount, pmfs2, succeed } from '../support/test-mount.js'

tap.setTimeout(300_000)

const { O_RDWR } = constants
const mebibyte = 2 ** 20
const channel = ['--channel', 'devfuse'] as const

void tap.test('info tells how writes change blocks, and ext4’s modes are refused', async (t) => {
  const mount = await TestMount.mounted(t, '16M', ...channel, '-o', 'data=cow')
  t.equal((await mount.report()).data, 'cow')
  t.match(await succeed('info', mount.mountpoint), /^ +writes +copy-on-write \(data=cow\)$/m)
  await mount.remount(...channel)
  t.match(await succeed('info', mount.mountpoint), /^ +writes +in place \(data=inplace\)$/m)
  await mount.unmount()
  const { end, output } = await pmfs2([mount.device, mount.mountpoint, '-o', 'data=journal'])
  t.equal(end, 1)
  t.match(output, /^mount: data=journal: file contents are not journalled; data=cow/)
})

void tap.test('which write(2) is one request', async (t) => {
  const mount = await TestMount.mounted(t, '64M', ...channel, '-o', 'data=cow')
  const system = await actor(t)
  const path = `${mount.mountpoint}/file`
  await system.writeFile(path, pattern(4 * mebibyte))
  /** The requests of a write over what is there, with nothing in the page cache but what is read `first`. */
  const requests = async (options: string, offset: number, length: number, first = 0): Promise<number> => {
    await mount.remount(...channel, '-o', options)
    const fd = await system.open(path, O_RDWR)
    if (first > 0) await system.pread(fd, first, 0)
    // From memory that begins with a page.
    const cost = await requestCost(mount, () => system.directWrite(fd, pattern(length, 3), offset))
    await system.close(fd)
    return cost['WRITE'] ?? 0
  }
  const cases: readonly (readonly [what: string, offset: number, length: number, cached: number])[] = [
    ['1 MiB that begins with a page', 4096, mebibyte, 1],
    ['pages, and the beginning of another', 0, 10_000, 1],
    // The kernel does not know the rest of that page, so it writes it by itself.
    ['across the end of a page that is not cached', 4000, 200, 2],
    ['1 MiB in 257 pages', 4000, mebibyte, 2],
  ]
  for (const [what, offset, length, cached] of cases) {
    t.equal(await requests('data=cow', offset, length), cached, what)
    t.equal(await requests('data=cow,direct_io', offset, length), 1, `${what}, with direct_io`)
  }
  t.equal(await requests('data=cow', 4000, 200, 8192), 1, 'across the end of a page that is cached')
  t.equal(await requests('data=cow,direct_io', 0, mebibyte + 1), 2, 'more than 1 MiB')
})

void tap.test('a server that is killed leaves no write torn', async (t) => {
  const mount = await TestMount.mounted(t, '64M', ...channel, '-o', 'data=cow')
  const system = await actor(t)
  const path = `${mount.mountpoint}/file`
  const records = 16
  const recordBytes = mebibyte / 4
  await system.writeFile(path, Buffer.alloc(records * recordBytes))
  for (let round = 0; round < 3; round++) {
    const fd = await system.open(path, O_RDWR)
    const { pid } = await mount.report()
    let killing: Promise<unknown> = Promise.resolve()
    let written = 0
    for (let n = 1; ; n++) {
      const result = await outcome(
        system.pwrite(fd, Buffer.alloc(recordBytes, n % 251), (n % records) * recordBytes),
      )
      if (result !== 'OK') break
      // It dies during one of the next writes.
      if (++written === 3) killing = sleep(2 * round).then(() => process.kill(pid, 'SIGKILL'))
    }
    await killing
    await outcome(system.close(fd))
    t.ok(written > 0, `${written} writes before the server was killed`)
    await mount.unmount()
    t.match(await mount.check(), /: clean,|in flight/)
    await mount.mount(...channel, '-o', 'data=cow')
    const all = await system.readFile(path)
    for (let at = 0; at < all.length; at += recordBytes) {
      const record = all.subarray(at, at + recordBytes)
      if (!record.equals(Buffer.alloc(recordBytes, record[0]))) t.fail(`the record at ${at} is torn`)
    }
  }
})
