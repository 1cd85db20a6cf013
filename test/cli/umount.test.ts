// SPDX-License-Identifier: GPL-2.0-only
/** umount and info with a mount of our own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { withOwnMounts } from '../support/own-mounts.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { command, fileLimitMs, pmfs2, refuse, start, succeed } from './cli.js'

t.setTimeout(fileLimitMs)

const folder = await temporaryDirectory(t, SHARED_MEMORY)
const device = join(folder, 'device')
const mountpoint = join(folder, 'mount point')
mkdirSync(mountpoint)
// Before the folder goes (teardowns run last come, first served).
t.teardown(() => pmfs2(['umount', '--lazy', mountpoint]))

/** Mounts; its notices, such as that the device lies in RAM, are not looked at. */
async function mount(t: Parameters<typeof succeed>[0]): Promise<void> {
  const { end, stderr } = await pmfs2([device, mountpoint])
  t.equal(end, 0, `mounted: ${stderr}`)
}

void t.test('a mount, described and ended', async (t) => {
  await succeed(t, ['mkfs', device, '--size', '8M', '--label', 'told', '--quiet'])
  await mount(t)
  writeFileSync(join(mountpoint, 'file'), 'x'.repeat(5000))
  for (const target of [mountpoint, device]) {
    const info = await succeed(t, ['info', target])
    t.ok(info.includes(`mounted on ${mountpoint}`))
    t.match(info, /label +told/)
    t.match(info, /used +\d.* of .*MiB/)
    t.match(info, /server +process \d+/)
    t.match(info, /requests +\d+: .*CREATE 1/)
  }
  const json = JSON.parse(await succeed(t, ['info', mountpoint, '--json'])) as Record<string, unknown>
  t.match(json, {
    device,
    mountpoint,
    state: 'dirty',
    usage: { usedInodes: Number },
    server: { pid: Number },
  })
  await refuse(t, ['mkfs', device, '--force'], 1, /it is in use/)
  await refuse(t, ['fsck', device], 8, /it is in use/)
  t.equal(await succeed(t, ['umount', mountpoint]), '')
  t.match(await succeed(t, ['fsck', device]), /clean/, 'it was waited for')
  t.match(JSON.parse(await succeed(t, ['info', device, '--json'])), {
    state: 'clean',
    mountCount: 1,
    server: null,
  })
})

void t.test('a mount point by another name', async (t) => {
  await mount(t)
  const link = join(folder, 'link')
  symlinkSync(folder, link)
  await succeed(t, ['umount', join(link, 'mount point')])
})

void t.test('by its device', async (t) => {
  await mount(t)
  await succeed(t, ['umount', device])
  t.match(await succeed(t, ['fsck', device]), /clean/, 'it was waited for')
  await refuse(t, ['umount', device], 32, `umount: ${device}: not mounted`)
})

void t.test('a busy one', async (t) => {
  await mount(t)
  const fd = openSync(join(mountpoint, 'file'), 'r')
  await refuse(
    t,
    ['umount', mountpoint],
    32,
    `umount: ${mountpoint}: target is busy: fuser -vm '${mountpoint}' shows who uses it; umount --lazy takes it out of sight now`,
  )
  await succeed(t, ['umount', '--lazy', mountpoint])
  await refuse(t, ['umount', mountpoint], 32, `umount: ${mountpoint}: not mounted`)
  closeSync(fd)
})

void t.test('one that is mounted at a second place, too', async (t) => {
  await settled()
  await mount(t)
  const second = join(folder, 'second')
  mkdirSync(second)
  t.teardown(() => start('umount', ['-l', second]))
  await start('mount', ['--bind', mountpoint, second])
  const { end, stderr } = await pmfs2(['umount', mountpoint])
  t.equal(end, 0)
  t.equal(stderr, `umount: ${device} is still mounted at ${second}; its server goes on\n`)
  writeFileSync(join(second, 'file'), 'served')
  await succeed(t, ['umount', second])
  t.match(await succeed(t, ['fsck', device]), /clean/, 'the last one is waited for')
})

void t.test('one that another mount namespace has, too', async (t) => {
  await mount(t)
  const [unshare, ...args] = withOwnMounts(mountpoint, ['sh', '-c', 'echo; cat'])
  const holder = spawn(unshare, args)
  await once(holder.stdout, 'data')
  const { end, stderr } = await pmfs2(['umount', mountpoint])
  t.equal(end, 0)
  t.match(
    stderr,
    /^umount: .*device is still mounted for others \(in another mount namespace\); its server, process \d+, goes on\n$/,
  )
  await refuse(t, ['fsck', device], 8, /it is in use/)
  holder.stdin.end()
  await settled()
})

/** Waits for the server of a mount that was not waited for. */
async function settled(): Promise<void> {
  for (let tries = 0; (await pmfs2(['fsck', device])).end !== 0 && tries < 50; tries++);
}

void t.test('a server in another network namespace, which is not heard', async (t) => {
  const { end } = await start('unshare', ['--net', process.execPath, command, device, mountpoint])
  t.equal(end, 0, 'mounted')
  t.same(await pmfs2(['umount', mountpoint]), {
    end: 0,
    stdout: '',
    stderr: `umount: ${mountpoint}: the server does not answer; it is unmounted all the same, which may wait for the server (umount --lazy does not)\n`,
  })
  t.match(await succeed(t, ['fsck', device]), /clean/, 'it was waited for')
})

void t.test('a server that was killed', async (t) => {
  await mount(t)
  const { server } = JSON.parse(await succeed(t, ['info', mountpoint, '--json'])) as {
    server: { pid: number }
  }
  process.kill(server.pid, 'SIGKILL')
  // The kernel notices when the last descriptor is closed.
  for (let tries = 0; (await start('stat', [mountpoint])).end === 0 && tries < 50; tries++);
  for (const target of [mountpoint, device]) {
    const { end, stdout, stderr } = await pmfs2(['info', target])
    t.equal(end, 1)
    t.equal(
      stderr,
      `info: ${mountpoint}: its server has died; umount it, check its device (fsck), and mount it again\n`,
    )
    t.match(stdout, /label +told\n[^]*server +has died\n/, 'the device is described all the same')
  }
  const dead = await pmfs2(['info', mountpoint, '--json'])
  t.match(JSON.parse(dead.stdout), { label: 'told', mountpoint, server: null, serverState: 'dead' })
  const contents = readFileSync(device)
  truncateSync(device, 64 * 1024)
  const cut = await pmfs2(['info', mountpoint])
  t.match(
    cut.stdout,
    /server +has died\n[^]*note +\S+device: .*\d/,
    'that its device was cut short keeps nothing back',
  )
  t.match(cut.stderr, /^info: .*: its server has died; /)
  const { stdout: cutJson } = await pmfs2(['info', mountpoint, '--json'])
  t.match(JSON.parse(cutJson), { mountpoint, serverState: 'dead', problem: /device: / })
  writeFileSync(device, contents)
  await succeed(t, ['umount', mountpoint])
  t.match(await succeed(t, ['info', device]), /state +dirty/)
})

void t.test('what is not ours', async (t) => {
  await refuse(t, ['umount', folder], 32, `umount: ${folder}: not mounted`)
  await refuse(t, ['umount', '/nonexistent'], 32, 'umount: /nonexistent: not mounted')
  await refuse(
    t,
    ['umount', '/proc'],
    32,
    'umount: /proc: it is a mount of type proc, not fuse.pmfs2; use umount(8)',
  )
})
