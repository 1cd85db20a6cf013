// SPDX-License-Identifier: GPL-2.0-only
/** A mount whose server has died, while its device or the device's name is in use otherwise by now. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { linkSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { findMount } from '../../src/daemon/mount-table.js'
import { isHeld } from '../../src/pmem/device.js'
import { finish, withoutRunner } from '../support/run-command.js'
import { TestMount, pmfs2, program, succeed, until } from '../support/test-mount.js'

tap.setTimeout(300_000)

const mebibyte = 2 ** 20

/** One whose server has been killed, and a place for another mount. */
async function deadMount(t: Test): Promise<{ mount: TestMount; other: string }> {
  const mount = await TestMount.mountedOn(t, [16 * mebibyte])
  const other = await mount.secondPlace(t)
  await mount.killServer()
  return { mount, other }
}

void tap.test('its device is mounted again, by another name', async (t) => {
  const { mount, other } = await deadMount(t)
  const { device, mountpoint } = mount
  const link = `${device}.link`
  linkSync(device, link)
  await succeed(link, other)
  const died = `${mountpoint}: its server has died`
  t.match((await pmfs2(['info', mountpoint])).output, died)
  t.match(await pmfs2(['grow', mountpoint, '--size', '32M']), { end: 1, output: new RegExp(died) })
  t.match(await succeed('info', device), new RegExp(`mounted on +${other}`))
  t.same(await pmfs2(['umount', mountpoint]), { end: 0, output: '' })
  t.ok(findMount(other), 'that one goes on')
  await succeed('umount', device)
  t.equal(findMount(other), null)
  t.match(await mount.check(), /: clean,/)
})

void tap.test('a program has its device locked', async (t) => {
  const { mount } = await deadMount(t)
  const { device, mountpoint } = mount
  const holder = spawn('flock', ['--no-fork', device, 'sleep', '600'], { stdio: 'ignore' })
  t.teardown(() => holder.kill())
  t.ok(await until(() => Promise.resolve(isHeld(device))))
  t.match((await pmfs2(['info', mountpoint])).output, `${mountpoint}: its server has died`)
  t.same(await pmfs2(['umount', device]), { end: 0, output: '' })
  t.equal(findMount(mountpoint), null)
  holder.kill()
  await once(holder, 'exit')
})

for (const isFirst of [false, true])
  void tap.test(`another volume has its name, mounted ${isFirst ? 'before' : 'after'} it`, async (t) => {
    const mount = await TestMount.makeOn(t, 16 * mebibyte)
    const { device, mountpoint, folder } = mount
    const other = await mount.secondPlace(t)
    const live = join(folder, 'live')
    await succeed('mkfs', live, '--size', '8M', '--label', 'live', '-q')
    if (isFirst) await succeed(live, other)
    await mount.mount()
    if (!isFirst) await succeed(live, other)
    await mount.killServer()
    renameSync(device, `${device}.old`)
    renameSync(live, device)
    t.match(await succeed('info', device), /label +live/)
    t.match(await succeed('grow', device, '--size', '12M'), /12 MiB/)
    await succeed('umount', device)
    t.equal(findMount(other), null)
    t.ok(findMount(mountpoint), 'the dead one is left')
    t.match(
      await succeed('info', device),
      /state +clean/,
      'one that is clean has been left by no dead server',
    )
  })

void tap.test('another volume has the name of a live one, seen from a container', async (t) => {
  const mount = await TestMount.mountedOn(t, [16 * mebibyte])
  const { device, mountpoint } = mount
  renameSync(device, `${device}.old`)
  await succeed('mkfs', device, '--size', '8M', '-q')
  for (const namespaces of [['--pid', '--fork', '--mount-proc', '--propagation', 'unchanged'], ['--net']]) {
    const command = ['env', ...withoutRunner, process.execPath, program, 'umount', device]
    const outcome = await finish('unshare', [...namespaces, ...command])
    t.match(outcome, { end: 32, output: `umount: ${device}: not mounted` }, namespaces.join(' '))
  }
  t.ok(findMount(mountpoint))
})
