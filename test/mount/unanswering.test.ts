// SPDX-License-Identifier: GPL-2.0-only
/**
 * Mounts whose server is stopped or dead, whose device has lost its name, or whose names are not UTF-8: commands say
 * what is the matter, and none of them waits for a server that does not answer.
 */
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { kernelName, nameOf } from '../../src/native/file-name.js'
import { rawCommand } from '../../src/native/raw-command.js'
import { findHolder, holderText, releaseAdvice } from '../../src/daemon/holder.js'
import { findMount } from '../../src/daemon/mount-table.js'
import { finish, withoutRunner } from '../support/run-command.js'
// What a command waits for, or holds until its process ends, counts here.
import { TestMount, hasEnded, pmfs2Process as pmfs2, program, until } from '../support/test-mount.js'

tap.setTimeout(300_000)

void tap.test('a server that is stopped', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const { mountpoint, device, folder } = mount
  const { pid } = await mount.report()
  const other = join(folder, 'other')
  await mkdir(other)
  process.kill(pid, 'SIGSTOP')
  t.teardown(async () => {
    if (!(await hasEnded(pid, 0))) process.kill(pid, 'SIGCONT')
  })
  const complaint = `${mountpoint}: the server (process ${pid}) does not answer: it is stopped, and kill -CONT ${pid} continues it; umount --lazy takes the mount out of sight`
  const within = join(mountpoint, 'x')
  const cases: readonly (readonly [args: readonly string[], end: number, line: string])[] = [
    [['info', mountpoint], 1, `info: ${complaint}`],
    [['info', device, '--json'], 1, `info: ${complaint}`],
    [['info', within], 1, `info: ${within}: ${complaint}`],
    [['fsck', within], 8, `fsck: ${within}: ${complaint}`],
    [['dump', within], 1, `dump: ${within}: ${complaint}`],
    [['mkfs', within, '--size', '2M'], 1, `mkfs: ${within}: ${complaint}`],
    [['umount', within], 32, `umount: ${within}: ${complaint}`],
    [['umount', mountpoint], 32, `umount: ${complaint}`],
    [[device, mountpoint], 32, `mount: ${complaint}`],
    [[device, within], 32, `mount: ${within}: ${complaint}`],
    [[within, other], 32, `mount: ${within}: ${complaint}`],
  ]
  // Each waits for an answer as long as it may, so they wait at the same time.
  const refused = cases.map(async ([args, end, line]) => {
    const finished = await pmfs2(args)
    t.equal(finished.end, end, args.join(' '))
    t.ok(finished.output.split('\n').includes(line), `${args.join(' ')}: ${finished.output}`)
  })
  await Promise.all(refused)
  const seen = `${device}: it is in use by process ${pid}, which serves it at ${mountpoint} and is stopped; kill -CONT ${pid} && pmfs2-fuse umount ${mountpoint} ends that`
  t.same(await pmfs2(['fsck', device]), { end: 8, output: `fsck: ${seen}` })
  t.same(await pmfs2([device, other]), { end: 32, output: `mount: ${seen}` })
  t.match(
    (await pmfs2(['info', mountpoint])).output,
    /UUID [^]*server +process \d+, stopped, does not answer/,
  )
  t.ok(mount.isMounted(), 'umount has left it where it is')
  t.same(await pmfs2(['umount', '--lazy', mountpoint]), { end: 0, output: '' })
  t.notOk(mount.isMounted())
  const hidden = `process ${pid}, which serves it out of sight and is stopped`
  const advice = `kill -CONT ${pid} && kill ${pid}`
  t.same(await pmfs2(['fsck', device]), {
    end: 8,
    output: `fsck: ${device}: it is in use by ${hidden}; ${advice} ends that`,
  })
  t.same(await pmfs2(['umount', device]), {
    end: 32,
    output: `umount: ${device}: not mounted here; it is in use by ${hidden}: ${advice}`,
  })
  // The kernel gives its number to the next mount, unless another test was faster.
  const next = await TestMount.mounted(t, '16M')
  t.same(findHolder(next.device)?.mountpoints, [next.mountpoint])
  t.same(findHolder(device)?.mountpoints, [], 'which is not served by the one that had it before')
  t.match(await pmfs2(['umount', device]), { end: 32, output: /: not mounted here; it is in use by / })
  t.ok(next.isMounted())
  t.same(await pmfs2(['umount', next.device]), { end: 0, output: '' })
  t.match(await next.check(), /: clean,/)
  process.kill(pid, 'SIGCONT')
  t.ok(await hasEnded(pid))
})

void tap.test('a volume that lies on the mount of a server that is stopped', async (t) => {
  const outer = await TestMount.mounted(t, '64M')
  const { pid } = await outer.report()
  const place = await outer.secondPlace(t)
  const device = join(outer.mountpoint, 'inner')
  for (const args of [
    ['mkfs', device, '--size', '16M', '-q'],
    [device, place],
  ]) {
    const { end, output } = await pmfs2(args)
    t.equal(end, 0, output)
  }
  process.kill(pid, 'SIGSTOP')
  t.teardown(async () => {
    if (!(await hasEnded(pid, 0))) process.kill(pid, 'SIGCONT')
  })
  const { end, output } = await pmfs2(['info', place])
  t.equal(end, 0)
  t.match(output, /^ *server +process \d+/m, 'its own server answers')
  t.match(output, `${device}: ${outer.mountpoint}: the server (process ${pid}) does not answer`)
  process.kill(pid, 'SIGCONT')
  t.same(await pmfs2(['umount', place]), { end: 0, output: '' })
  await outer.unmount()
})

void tap.test('what is in use out of sight is ended as advised, stopped or not', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const { mountpoint, device } = mount
  const { pid } = await mount.report()
  await writeFile(join(mountpoint, 'file'), '')
  const file = await open(join(mountpoint, 'file'))
  t.teardown(() => file.close().catch(() => undefined))
  t.same(await pmfs2(['umount', '--lazy', mountpoint]), { end: 0, output: '' })
  const served = findHolder(device)!
  t.equal(holderText(served), `process ${pid}, which serves it out of sight`)
  t.equal(releaseAdvice(served), `kill ${pid}`)
  process.kill(pid, 'SIGSTOP')
  t.teardown(async () => {
    if (!(await hasEnded(pid, 0))) process.kill(pid, 'SIGKILL')
  })
  // Each of its threads has to notice.
  t.ok(await until(() => Promise.resolve(findHolder(device)!.isStopped)))
  const stopped = findHolder(device)!
  t.equal(holderText(stopped), `process ${pid}, which serves it out of sight and is stopped`)
  const ended = await finish('sh', ['-c', releaseAdvice(stopped)])
  t.equal(ended.end, 0)
  t.ok(await hasEnded(pid), 'it ends')
})

void tap.test('a device that has lost its name', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const { mountpoint, device, folder } = mount
  const { output: before } = await pmfs2(['info', mountpoint])
  const uuid = /UUID +\S+/.exec(before)![0]
  await rename(device, join(folder, 'moved'))
  await writeFile(device, 'another file of its name')
  for (const what of ['renamed', 'removed']) {
    if (what === 'removed') await Promise.all([rm(device), rm(join(folder, 'moved'))])
    const { end, output } = await pmfs2(['info', mountpoint])
    t.equal(end, 0, what)
    t.match(output, uuid, `${what}: the superblock is that of the device that is mounted`)
    t.match(output, /server +process \d+/, what)
  }
  await mount.unmount()
})

void tap.test('how full it is comes from the server, as statfs(2) tells it', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  await writeFile(join(mount.mountpoint, 'file'), 'x'.repeat(10_000))
  const df = async (...fields: string[]): Promise<string> =>
    (await finish('df', ['-B1', `--output=${fields.join(',')}`, mount.mountpoint])).output
      .split('\n')[1]!
      .trim()
  const [itotal, iused, ifree] = (await df('itotal', 'iused', 'iavail')).split(/ +/)
  const info = JSON.parse((await pmfs2(['info', mount.mountpoint, '--json'])).output) as {
    usage: Record<string, number>
  }
  const { usedInodes, freeInodes, totalBytes, usedBytes, freeBytes } = info.usage
  t.same([usedInodes, freeInodes].map(String), [iused, ifree])
  t.same(
    [totalBytes, usedBytes, freeBytes].join(' '),
    (await df('size', 'used', 'avail')).replace(/ +/g, ' '),
  )
  await mount.unmount()
  t.match(
    await mount.check(),
    `${iused}/${itotal} inodes (1 file, 1 directory, 0 symbolic links, 0 special files)`,
  )
})

void tap.test('a second mount elsewhere is told how', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const { device, mountpoint, folder } = mount
  const { pid } = await mount.report()
  const other = join(folder, 'other')
  await mkdir(other)
  const use = `${device}: it is in use by process ${pid}, which serves it at ${mountpoint}; pmfs2-fuse umount ${mountpoint} ends that`
  const bind = `mount --bind ${mountpoint} ${other} shows it there, too`
  t.same(await pmfs2([device, other]), { end: 32, output: `mount: ${use}; ${bind}` })
  t.same(await pmfs2(['mkfs', device, '--force']), { end: 1, output: `mkfs: ${use}` })
  t.same(await pmfs2(['fsck', device]), { end: 8, output: `fsck: ${use}` })
})

void tap.test('names that are not UTF-8', async (t) => {
  const mount = await TestMount.make(t, '16M')
  const device = join(mount.folder, nameOf(Buffer.from([0x64, 0xff, 0x0a])))
  const mountpoint = join(mount.folder, nameOf(Buffer.from([0x6d, 0xfe])))
  const run = (...args: readonly string[]) =>
    finish(...rawCommand('env', [...withoutRunner, process.execPath, program, ...args]))
  await rename(mount.device, kernelName(device))
  await mkdir(kernelName(mountpoint))
  t.teardown(() => finish(...rawCommand('umount', ['-l', mountpoint])))

  const started = await run(device, mountpoint)
  t.equal(started.end, 0, started.output)
  t.equal(findMount(mountpoint)?.source, device, 'the mount table has the bytes')
  const { server } = JSON.parse((await run('info', mountpoint, '--json')).output) as {
    server: { pid: number }
  }
  const line = await readFile(`/proc/${server.pid}/cmdline`)
  for (const name of [device, mountpoint])
    t.ok(line.includes(Buffer.concat([Buffer.from(kernelName(name)), Buffer.of(0)])), 'and so has the server')
  t.match((await run('info', device)).output, /^\S+\/d\\xff\\x0a\n[^]*mounted on \S+\/m\\xfe\n/)
  t.match(
    (await run(device, mountpoint)).output,
    /^mount: \S+\/m\\xfe: \S+\/d\\xff\\x0a is mounted there already/,
  )
  t.same(await run('umount', device), { end: 0, output: '' })
  t.ok(await hasEnded(server.pid))
})
