// SPDX-License-Identifier: GPL-2.0-only
/** Devices of a mount whose names lead elsewhere by now: moved, or covered by the mount. */
import { renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tap from 'tap'
import { findHolder } from '../../src/daemon/holder.js'
import { findMount } from '../../src/daemon/mount-table.js'
import { TestMount, pmfs2, succeed } from '../support/test-mount.js'

tap.setTimeout(300_000)

const mebibyte = 2 ** 20

void tap.test(
  'a device that was moved means its mount still, and a new one of its name does not',
  async (t) => {
    const mount = await TestMount.makeOn(t, 16 * mebibyte)
    const { device, mountpoint } = mount
    await mount.mount()
    const { uuid } = JSON.parse(await succeed('info', '--json', device)) as { uuid: string }
    const moved = `${device}.moved`
    renameSync(device, moved)
    t.match(await succeed('info', device), uuid, 'a name that leads nowhere is that of the mount')
    await succeed('mkfs', device, '--size', '8M', '-q')

    const other = await succeed('info', device)
    t.notMatch(other, uuid)
    t.match(other, /state +clean/)
    t.match(await succeed('grow', device, '--size', '10M'), /10 MiB/)
    t.same([statSync(device).size, statSync(moved).size], [10 * mebibyte, 16 * mebibyte])
    const refusal = await pmfs2(['umount', device])
    t.match(refusal, { end: 32, output: `umount: ${device}: not mounted` })

    t.match(await succeed('info', moved), uuid)
    t.same(findHolder(moved)?.mountpoints, [mountpoint])
    t.equal(findHolder(device), null)
    await succeed('umount', moved)
    t.equal(findMount(mountpoint), null)
    t.match(await succeed('fsck', moved), /clean/)
  },
)

/** What info says of the names of devices. */
async function statesOf(mount: TestMount): Promise<(string | null)[]> {
  const { devices } = JSON.parse(await succeed('info', '--json', mount.mountpoint)) as {
    devices: { pathState: string | null }[]
  }
  return devices.map(({ pathState }) => pathState)
}

void tap.test('info says whose name leads elsewhere', async (t) => {
  const mount = await TestMount.mountedOn(t, [8 * mebibyte, 8 * mebibyte])
  const [first, second] = mount.devices as [string, string]
  const moved = `${second}.moved`
  const shown = () => succeed('info', mount.mountpoint)
  t.same(await statesOf(mount), ['current', 'current'])
  t.match(await shown(), new RegExp(`^ +2: ${second}, 8 MiB, `, 'm'))
  renameSync(second, moved)
  symlinkSync(moved, second)
  t.same(await statesOf(mount), ['current', 'current'], 'by a link')
  rmSync(second)
  await succeed('mkfs', second, '--size', '8M', '-q')
  t.same(await statesOf(mount), ['current', 'stale'])
  const stale = '\\(moved, removed or covered: this name no longer leads to it\\)'
  t.match(await shown(), new RegExp(`^ +2: ${second} ${stale}, 8 MiB, `, 'm'))
  rmSync(second)
  t.same(await statesOf(mount), ['current', 'stale'], 'or nowhere')
  rmSync(moved)
  t.same(await statesOf(mount), ['current', 'deleted'])
  t.match(await shown(), new RegExp(`^ +2: ${second} \\(deleted: it goes with the mount\\), 8 MiB, `, 'm'))
  rmSync(first)
  t.same(await statesOf(mount), ['deleted', 'deleted'])
})

void tap.test('info says whether the name of the only device leads elsewhere', async (t) => {
  const mount = await TestMount.mountedOn(t, [8 * mebibyte])
  const { device, mountpoint } = mount
  t.match(await succeed('info', mountpoint), /^ *device +a file /m)
  renameSync(device, `${device}.moved`)
  t.match(
    await succeed('info', mountpoint),
    new RegExp(`^ *device +${device} \\(moved, .* leads to it\\): a file `, 'm'),
  )
  renameSync(`${device}.moved`, device)
  t.same(await statesOf(mount), ['current'])
})

void tap.test('a device that its own mount covers', async (t) => {
  const mount = await TestMount.makeOn(t, 16 * mebibyte)
  const { device: other, mountpoint } = mount
  const covered = join(mountpoint, 'first')
  await succeed('mkfs', covered, other, '--size', '16M', '--force', '-q')
  await succeed(covered, other, mountpoint)
  await mount.adopt()
  t.same(findHolder(other)?.mountpoints, [mountpoint])
  t.match(await succeed('info', other), /devices +1: /)
  t.same(await statesOf(mount), ['stale', 'current'])
  await succeed('umount', other)
  t.equal(findMount(mountpoint), null)
  t.match(await succeed('fsck', other, covered), /clean/)
})

void tap.test('two mounts whose devices had the same name', async (t) => {
  const mount = await TestMount.makeOn(t, 64 * mebibyte)
  const { device, mountpoint } = mount
  await mount.mount()
  const moved = `${device}.moved`
  renameSync(device, moved)
  await succeed('mkfs', device, '--size', '16M', '-q')
  const other = await mount.secondPlace(t)
  await succeed(device, other)
  t.same(
    [moved, device].map((path) => findHolder(path)?.mountpoints),
    [[mountpoint], [other]],
  )
  for (let n = 0; n < 2000; n++) writeFileSync(join(mountpoint, `${n}`), '')
  await succeed('umount', mountpoint)
  t.match(await succeed('fsck', moved), /clean, 2001\//, 'its server has let go of it')
  await succeed('umount', device)
  t.equal(findMount(other), null)
  t.match(await succeed('fsck', device), /clean/)
})
