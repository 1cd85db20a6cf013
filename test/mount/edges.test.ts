// SPDX-License-Identifier: GPL-2.0-only
/** Where the kernel's idea of a mount and the server's could come apart. */
import { constants } from 'node:fs'
import tap from 'tap'
import { actor } from '../posix/fixture.js'
import { outcome } from '../support/system.js'
import { TestMount } from '../support/test-mount.js'

tap.setTimeout(300_000)

const { O_CREAT, O_RDWR } = constants
const mib = 2 ** 20
const second = 1_000_000_000n

void tap.test('times that cannot be told become the nearest that can', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const system = await actor(t)
  const file = `${mount.mountpoint}/file`
  await system.writeFile(file, '')
  for (const [asked, told] of [
    [-4_000_000_000n, -(2n ** 31n)],
    [-(2n ** 31n), -(2n ** 31n)],
    [0n, 0n],
    [2n ** 31n, 2n ** 31n],
    [2n ** 34n - 2n ** 31n - 1n, 2n ** 34n - 2n ** 31n - 1n],
    [17_000_000_000n, 2n ** 34n - 2n ** 31n - 1n],
  ] as const) {
    await system.setTimes(file, asked * second, asked * second)
    await mount.remount()
    t.equal((await system.stat(file)).mtimeNs / second, told, `${asked} seconds`)
  }
})

void tap.test('pages of a mapping that find no room are an error, not a loss', async (t) => {
  const mount = await TestMount.mounted(t, '4M')
  const system = await actor(t)
  const file = `${mount.mountpoint}/mapped`
  const fd = await system.open(file, O_RDWR | O_CREAT)
  await system.ftruncate(fd, 8 * mib)
  const map = await system.map(fd, 8 * mib)
  for (let at = 0; at < 8; at++) await system.mapWrite(map, at * mib, Buffer.alloc(mib, at + 1))
  const ends = [await outcome(system.mapSync(map)), await outcome(system.fsync(fd))]
  t.ok(ends.includes('ENOSPC'), ends.join(', '))
})
