// SPDX-License-Identifier: GPL-2.0-only
/**
 * Damaged volumes. One superblock, or the header of the device, is mended on the next mount, and said aloud; two are
 * refused. What else is damaged fails where it is met, and nothing else does.
 */
import { type FileHandle, open, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import tap, { type Test } from 'tap'
import { ForegroundServer } from '../support/foreground-server.js'
import { loseBlocks, makeLostFile, owner, putWordBeside } from '../support/lost-file.js'
import { turnRingOn } from '../support/ring-switch.js'
import { run } from '../support/run-command.js'
import { System, outcome } from '../support/system.js'
import { type TearsDown, temporaryDirectory } from '../support/temporary.js'
import { TestMount, pmfs2, program, programEnvironment, succeed, until } from '../support/test-mount.js'

tap.setTimeout(300_000)

const blockBytes = 4096
const sizeBytes = 2 ** 24
const copies = { first: blockBytes, second: sizeBytes - blockBytes }

/** Turns over a bit in the middle of a superblock. */
async function damage(file: FileHandle, position: number): Promise<void> {
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, position + 100)
  await file.write(Buffer.of(byte[0]! ^ 1), 0, 1, position + 100)
}

void tap.test('damaged superblocks', async (t) => {
  // All copies but one are damaged; a second device has a third.
  const mount = await TestMount.mountedOn(t, [sizeBytes])
  const system = await System.start()
  t.teardown(() => system.stop())
  const path = `${mount.mountpoint}/file`
  await system.writeFile(path, 'contents')
  await mount.unmount()
  const file = await open(mount.device, 'r+')
  t.teardown(() => file.close())

  const places = {
    'header of the device': 0,
    'first superblock': copies.first,
    'second superblock': copies.second,
  }
  for (const [name, position] of Object.entries(places)) {
    await damage(file, position)
    const said = await mount.mount()
    t.match(said, new RegExp(`^mount: ${mount.device}: the ${name}.* is damaged`, 'm'), name)
    t.equal((await system.readFile(path)).toString(), 'contents', 'all is there')
    t.notMatch(await mountedAgain(mount), /damaged/, 'it has been mended')
    await mount.unmount()
    await mount.check()
  }

  for (const position of Object.values(copies)) await damage(file, position)
  const { end, output } = await pmfs2([mount.device, mount.mountpoint])
  t.equal(end, 32)
  t.equal(output, `mount: ${mount.device}: both superblocks are damaged`)
  t.notOk(mount.isMounted())
})

async function mountedAgain(mount: TestMount): Promise<string> {
  await mount.unmount()
  return mount.mount()
}

void tap.test('entries and files that are damaged', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const system = await System.start()
  t.teardown(() => system.stop())
  const root = mount.mountpoint
  const [free, unknown, lost] = ['names a free inode', 'names no inode', 'lost its blocks'].map(
    (name) => `${root}/${name}`,
  ) as [string, string, string]
  for (const path of [free, unknown, lost, `${root}/whole`]) await system.writeFile(path, 'contents')
  await system.chown(lost, owner.uid, owner.gid)
  await mount.unmount()
  // The number of the inode stands before the name.
  await putWordBeside(mount.devices, Buffer.from(basename(free)), -4, 30)
  await putWordBeside(mount.devices, Buffer.from(basename(unknown)), -4, 0x7fff_fff0)
  await loseBlocks(mount.devices)

  await mount.mount()
  const names = [free, unknown, lost, `${root}/whole`].map((path) => basename(path))
  t.same((await system.names(root)).sort(), names.sort(), 'all are listed')
  const damaged = 'EUCLEAN'
  for (const path of [free, unknown]) {
    t.equal(await outcome(system.stat(path)), damaged, `stat of what ${basename(path)}`)
    t.equal(await outcome(system.unlink(path)), damaged, 'unlink')
    t.equal(await outcome(system.rename(path, `${root}/x`)), damaged, 'rename')
    t.equal(await outcome(system.writeFile(path, '')), damaged, 'create')
  }
  for (const command of [`cat '${lost}'`, `ls -l '${root}'`])
    t.match(await run('sh', ['-c', `${command} 2>&1 || true`]), /Structure needs cleaning/, command)
  t.equal((await system.readFile(`${root}/whole`)).toString(), 'contents', 'nothing else is touched')
  t.equal(await outcome(system.writeFile(`${root}/new`, 'contents')), 'OK')
  await mount.unmount()
})

/** A program in place of logger(1), which keeps the lines that it is given: errors in `log`, and all else in `news`. */
async function withLogger(t: TearsDown): Promise<{ log: string; news: string; environment: string[] }> {
  const folder = await temporaryDirectory(t)
  const [log, news] = [join(folder, 'log'), join(folder, 'news')]
  const script = `case "$*" in *daemon.err*) cat >>'${log}' ;; *) cat >>'${news}' ;; esac`
  await writeFile(join(folder, 'logger'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  await writeFile(log, '')
  return { log, news, environment: [...programEnvironment, `PATH=${folder}:${process.env['PATH'] ?? ''}`] }
}

/** @returns what cat(1) says */
function readLost(path: string): Promise<string> {
  return run('sh', ['-c', `cat '${path}' 2>&1 || true`])
}

function recorded(channel: (t: Test) => string): (t: Test) => Promise<void> {
  return async (t) => {
    const { mount, path, what } = await makeLostFile(t)
    const { device } = mount
    const { log, news, environment } = await withLogger(t)
    const start = ['mount', device, mount.mountpoint, '--channel', channel(t)]
    await run('env', [...environment, process.execPath, program, ...start])
    await mount.adopt()
    t.match(await mount.report(), { damageMet: 0, damagedPlaces: [] })
    const isNews = async () => (await readFile(news, 'utf8').catch(() => '')).endsWith('\n')
    t.ok(await until(isNews), 'the system log hears of the mount')
    const mounted = await readFile(news, 'utf8')
    const [first, ...lines] = mounted.trimEnd().split('\n')
    t.equal(first, `mounted on ${mount.mountpoint}`)
    t.equal(lines.length, mount.devices.length, 'with a line for each device, in order')
    for (const [n, line] of lines.entries()) {
      t.ok(line.startsWith(`${mount.devices[n]} is a file`), line)
      t.match(line, /[;:] a power failure loses /)
    }
    t.notMatch(await succeed('info', device), /damage/)

    for (let n = 0; n < 3; n++) t.match(await readLost(path), /Structure needs cleaning/)
    const isTold = async () => (await mount.report()).damagedPlaces.length > 0
    t.ok(await until(isTold), 'the server tells')
    const { damageMet: count, damagedPlaces } = await mount.report()
    t.same(damagedPlaces, [what])
    t.ok(count >= 3)
    const line = `${device}: damage met: ${what}\n`
    t.ok(await until(async () => (await readFile(log, 'utf8')) === line), 'the system log hears of it')
    const info = await succeed('info', device)
    t.match(info, new RegExp(`^ +damage +met by ${count} calls since it was mounted:\n +${what}$`, 'm'))
    t.match(info, /^ +damage met +\d+ times? so far; fsck tells more$/m, 'the superblock is marked by now')
    await mount.unmount()
    t.equal(await readFile(log, 'utf8'), line, 'once')

    const times = `damage was met ${count} times, first on `
    t.match(
      (await pmfs2(['fsck', device])).output,
      new RegExp(`^superblock: ${times}\\S+ \\(${what}\\)`, 'm'),
    )
    const notice = new RegExp(`^mount: ${device}: ${times}.*; pmfs2-fuse fsck`, 'm')
    t.match(await mount.mount(), notice, 'the next mount tells')
  }
}

void tap.test(
  'what is met over /dev/fuse is told and recorded',
  recorded(() => 'devfuse'),
)
void tap.test('what is met over io_uring, too', recorded(turnRingOn))

void tap.test('a mount for reading only tells, and marks nothing', async (t) => {
  const { mount, path, what } = await makeLostFile(t)
  await mount.mount('-o', 'ro')
  t.match(await readLost(path), /Structure needs cleaning/)
  t.ok(await until(async () => (await mount.report()).damageMet > 0))
  t.ok(await until(async () => (await mount.report()).damagedPlaces[0] === what))
  await mount.unmount()
  t.notMatch(await succeed('info', mount.device), /damage/)
})

void tap.test('a server in the foreground tells by its messages', async (t) => {
  const { mount, path, what } = await makeLostFile(t)
  const server = await ForegroundServer.start(mount, '-f')
  t.match(await readLost(path), /Structure needs cleaning/)
  await mount.unmount()
  t.equal(await server.ended(), 0)
  const lines = server.output.split('\n').filter((line) => line.includes('damage'))
  t.same(lines, [`mount: ${mount.device}: damage met: ${what}`])
})

void tap.test('a device that fails as damage is recorded', async (t) => {
  const { mount, path } = await makeLostFile(t)
  const server = await ForegroundServer.start(mount, '-f')
  const system = await System.start()
  t.teardown(() => system.stop())
  await system.stat(path)
  await truncate(mount.device, (await stat(mount.device)).size - blockBytes)
  t.not(await outcome(system.readFile(path)), 'OK')
  t.equal(await server.ended(), 32, server.output)
  t.match(server.output, /^mount: the mount has failed: cannot access \S+ at byte \d+: .*it was cut short/m)
  t.equal(await outcome(system.stat(path)), 'ENOTCONN', 'the mount stays, and is dead')
})
