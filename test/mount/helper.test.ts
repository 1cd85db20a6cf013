// SPDX-License-Identifier: GPL-2.0-only
/** Mounting by mount(8) and /etc/fstab, which run the mount helper; and devices that are named by UUID or label. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { findMount } from '../../src/daemon/mount-table.js'
import { loopOver } from '../support/loop-device.js'
import { helperFile, installHelper, mount8 } from '../support/mount-helper.js'
import { dropOthers } from '../support/own-mounts.js'
import { finish, run, withoutRunner } from '../support/run-command.js'
import { TestMount, pmfs2, succeed } from '../support/test-mount.js'

tap.setTimeout(300_000)

async function mounts(t: Test, ...args: readonly string[]): Promise<void> {
  const { end, output } = await mount8(...args)
  t.equal(end, 0, `mount ${args.join(' ')}: ${output}`)
}

/** A table with one line for the device. @returns its path */
async function fstab(
  mount: TestMount,
  type: string,
  options: string,
  source = mount.device,
): Promise<string> {
  const path = join(mount.folder, 'fstab')
  await writeFile(path, `${source} ${mount.mountpoint} ${type} ${options} 0 0\n`)
  return path
}

void tap.test('by type', async (t) => {
  installHelper(t, 'mount.pmfs2', 'mount.fuse.pmfs2')
  for (const type of ['pmfs2', 'fuse.pmfs2']) {
    const mount = await TestMount.make(t, '16M')
    const { device, mountpoint } = mount
    await mounts(t, '-t', type, device, mountpoint, '-o', 'noatime,nosuid,workers=2,channel=devfuse,cpus="0"')
    const { workers, channel } = await mount.adopt()
    t.same([workers, channel], [2, 'devfuse'], 'options of the server hold')
    const entry = findMount(mountpoint)
    t.match(entry, { type: 'fuse.pmfs2', source: device })
    for (const option of ['rw', 'noatime', 'nosuid']) t.ok(entry?.options.includes(option), option)
    t.match(await mount8('-t', type, device, mountpoint), { end: 32, output: /is mounted there already/ })
    await run('umount', [mountpoint])
    await mount.mount()
    await mount.unmount()
  }
})

void tap.test('by fstab', async (t) => {
  installHelper(t, 'mount.pmfs2')
  const mount = await TestMount.make(t, '16M')
  const others =
    'noauto,user,nofail,_netdev,x-systemd.automount,x-systemd.device-timeout=5,lazytime,comment=x'
  const options = `${others},strictatime,errors=remount-ro,workers=1,channel=devfuse,barrier=1,data=ordered,commit=5`
  const table = await fstab(mount, 'pmfs2', options)
  await mounts(t, '-T', table, mount.mountpoint)
  await mount.adopt()
  const shown = findMount(mount.mountpoint)?.options ?? []
  for (const option of ['nosuid', 'nodev', 'noexec'])
    t.ok(shown.includes(option), `${option}, as user implies`)
  await mount.unmount()

  const all = await fstab(mount, 'pmfs2', 'discard')
  const first = await mount8('-a', '-T', all)
  t.match(first, { end: 0, output: /^mount: discard has no effect/ })
  await mount.adopt()
  await mounts(t, '-a', '-T', all)
  t.equal((await run('grep', ['-c', ` ${mount.mountpoint} `, '/proc/self/mountinfo'])).trim(), '1', 'once')
})

void tap.test('refuses', async (t) => {
  installHelper(t, 'mount.pmfs2')
  const mount = await TestMount.make(t, '16M')
  const { device, mountpoint } = mount
  const refused: readonly (readonly [string, RegExp])[] = [
    ['frobnicate', /^mount: unknown mount option frobnicate/],
    ['errors=panic', /^mount: errors=panic: a server cannot stop the kernel/],
    ['workers=0', /^mount: workers=0: a number from 1 to 256 is needed/],
    ['usrquota', /^mount: quotas are not supported/],
  ]
  for (const [options, output] of refused)
    t.match(await mount8('-t', 'pmfs2', device, mountpoint, '-o', options), { end: 1, output }, options)
  t.notOk(mount.isMounted())

  await t.test('the switches of mount(8)', async (t) => {
    await mounts(t, '-f', '-n', '-v', '-t', 'pmfs2', device, mountpoint)
    t.notOk(mount.isMounted(), '-f mounts nothing')
    t.match(await mount8('-f', '-t', 'pmfs2', device, mountpoint, '-o', 'frobnicate'), { end: 1 })
    await mounts(t, '-s', '-t', 'pmfs2', device, mountpoint, '-o', 'frobnicate,noatime')
    await mount.adopt()
    t.ok(findMount(mountpoint)?.options.includes('noatime'), '-s tolerates what nobody knows')
    await mount.unmount()
    for (const args of [[device], [device, mountpoint, '-x'], [device, mountpoint, '-o']]) {
      const helper = await finish('env', [...withoutRunner, process.execPath, helperFile, ...args])
      t.match(helper, { end: 1, output: /^mount\.pmfs2: the arguments are not those of mount\(8\)/ })
    }
  })
})

void tap.test('in another mount namespace', async (t) => {
  installHelper(t, 'mount.pmfs2')
  const { device, mountpoint } = await TestMount.make(t, '16M')
  const script = [
    'unshare --mount --propagation private sh -c "$3" "" sleep 60 & pid=$!',
    'until [ "$(readlink /proc/$pid/ns/mnt)" != "$(readlink /proc/self/ns/mnt)" ]; do sleep 0.05; done',
    'mount -N /proc/$pid/ns/mnt -t pmfs2 "$1" "$2" || exit',
    'grep -c " $2 " /proc/$pid/mountinfo; grep -c " $2 " /proc/self/mountinfo',
    'nsenter --mount=/proc/$pid/ns/mnt umount "$2"; kill $pid',
  ]
  const { output } = await finish('env', [
    ...withoutRunner,
    'sh',
    '-c',
    script.join('\n'),
    'sh',
    device,
    mountpoint,
    dropOthers,
  ])
  t.match(output, /^1\n0$/m)
})

void tap.test('by UUID and label', async (t) => {
  installHelper(t, 'mount.pmfs2')
  const mount = await TestMount.make(t, '16M')
  const { device, devices, mountpoint } = mount
  const label = `test ${process.pid}`
  await succeed('mkfs', ...devices, '--force', '--label', label)
  const { uuid } = JSON.parse(await succeed('info', '--json', device)) as { uuid: string }
  const missing = await pmfs2([`UUID=${uuid}`, mountpoint])
  t.match(missing, { end: 32, output: /^mount: UUID=\S+: no block device and no devdax device holds/ })

  const [loop] = devices.map((path) => loopOver(t, path))
  for (const name of [`UUID=${uuid}`, `UUID=${uuid.toUpperCase()}`, `LABEL=${label}`, `LABEL="${label}"`]) {
    await succeed(name, mountpoint)
    await mount.adopt()
    t.equal(findMount(mountpoint)?.source, loop, name)
    await mount.unmount()
  }
  await mounts(t, '-T', await fstab(mount, 'pmfs2', 'defaults', `pmfs2:UUID=${uuid}`), mountpoint)
  await mount.adopt()
  await mount.unmount()

  const other = loopOver(t, device)
  for (const [end, ...args] of [
    [32, `LABEL=${label}`, mountpoint],
    [1, 'info', `LABEL=${label}`],
    [8, 'fsck', `LABEL=${label}`],
  ] as const) {
    const both = await pmfs2(args)
    t.match(both, { end, output: /: \S+ and \S+ hold such a file system; name the device$/ }, args[0])
    t.match(both.output, other)
  }
})
