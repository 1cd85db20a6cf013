// SPDX-License-Identifier: GPL-2.0-only
/** remount,ro and remount,rw, by the mount helper and without it; damage that makes a mount read-only; umount -f. */
import { constants } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import tap, { type Test } from 'tap'
import { findMount } from '../../src/daemon/mount-table.js'
import { fingerprint } from '../cli/cli.js'
import { actor, tick } from '../posix/fixture.js'
import { makeLostFile } from '../support/lost-file.js'
import { installHelper, mount8 } from '../support/mount-helper.js'
import { turnRingOn } from '../support/ring-switch.js'
import { type Finished, finish, run } from '../support/run-command.js'
import { type System, outcome } from '../support/system.js'
import { TestMount, hasEnded, pmfs2, succeed, until } from '../support/test-mount.js'

tap.setTimeout(300_000)

const { O_CREAT, O_RDONLY, O_RDWR, O_WRONLY } = constants
const hourNs = 3_600_000_000_000n

async function remounts(t: Test, mount: TestMount, options: string): Promise<void> {
  const { end, output } = await mount8('-o', `remount,${options}`, mount.mountpoint)
  t.equal(end, 0, `remount,${options}: ${output}`)
}

/** The kernel alone, without the helper. */
function kernelRemounts(mount: TestMount, options: string): Promise<Finished> {
  return mount8('-i', '-o', `remount,${options}`, mount.mountpoint)
}

async function isReadOnly(mount: TestMount): Promise<boolean> {
  const { mode } = await mount.report()
  return mode.readOnly && !mode.isChanging
}

async function stateOf(mount: TestMount): Promise<string> {
  // Of a mount whose server has gone, it says so behind the object.
  const { output } = await pmfs2(['info', '--json', mount.device])
  const info = JSON.parse(output.slice(0, output.lastIndexOf('}') + 1)) as { state: string }
  return info.state
}

/** Reads all that there is, in ways that would note times of access. */
async function readMuch(system: System, root: string): Promise<void> {
  for (const name of await system.names(root)) {
    const path = `${root}/${name}`
    const { mode } = await system.lstat(path)
    if ((mode & constants.S_IFMT) === constants.S_IFLNK) await system.readlink(path)
    else await system.readFile(path)
  }
}

/** Files whose times of access are due. */
async function fill(system: System, root: string): Promise<void> {
  const long = BigInt(Date.now()) * 1_000_000n - 48n * hourNs
  for (let n = 0; n < 20; n++) {
    await system.writeFile(`${root}/file${n}`, Buffer.alloc(10_000, n))
    await system.setTimes(`${root}/file${n}`, long, long)
  }
  await system.symlink('file0', `${root}/link`)
}

function there(channel: (t: Test) => string, ...args: readonly string[]): (t: Test) => Promise<void> {
  return async (t) => {
    installHelper(t, 'mount.fuse.pmfs2')
    const mount = await TestMount.mounted(t, '16M', '--channel', channel(t), ...args)
    const system = await actor(t)
    const root = mount.mountpoint
    await fill(system, root)
    await system.writeFile(`${root}/gone`, Buffer.alloc(100_000, 1))
    await system.unlink(`${root}/gone`)

    await remounts(t, mount, 'ro')
    t.ok(findMount(root)?.superOptions.includes('ro'), 'the kernel knows')
    t.ok(await isReadOnly(mount), 'so does the server')
    t.match(await succeed('info', mount.device), /^ +mode +read-only$/m)
    t.equal(await stateOf(mount), 'clean', 'the volume is in order')
    const before = mount.devices.map(fingerprint)
    await readMuch(system, root)
    t.equal(await outcome(system.writeFile(`${root}/new`, '')), 'EROFS')
    t.same(mount.devices.map(fingerprint), before, 'not a byte of the device changes')

    await remounts(t, mount, 'rw')
    t.notOk(await isReadOnly(mount))
    t.equal(await stateOf(mount), 'dirty')
    await system.writeFile(`${root}/new`, 'contents')
    t.equal((await system.readFile(`${root}/new`)).toString(), 'contents')
    const fd = await system.open(`${root}/new`, O_RDWR)
    t.match(await mount8('-o', 'remount,ro', root), {
      end: 32,
      output: /: it is busy: files are open for writing/,
    })
    t.notOk(await isReadOnly(mount))
    await system.write(fd, Buffer.from('anew'))
    await system.close(fd)
    await remounts(t, mount, 'ro')
    await mount.unmount()
    await mount.check()
  }
}

void tap.test(
  'there and back over /dev/fuse',
  there(() => 'devfuse'),
)
void tap.test(
  'there and back with several workers',
  there(() => 'devfuse', '--workers', '3'),
)
void tap.test('there and back over io_uring', there(turnRingOn))
void tap.test('there and back over io_uring, with direct_io', there(turnRingOn, '-o', 'direct_io'))

function fromReadOnly(channel: (t: Test) => string): (t: Test) => Promise<void> {
  return async (t) => {
    installHelper(t, 'mount.fuse.pmfs2')
    const mount = await TestMount.mounted(t, '16M')
    const system = await actor(t)
    const root = mount.mountpoint
    await fill(system, root)
    const orphan = await system.open(`${root}/orphan`, O_WRONLY | O_CREAT)
    await system.write(orphan, Buffer.alloc(100_000, 1))
    await system.unlink(`${root}/orphan`)
    process.kill((await mount.report()).pid, 'SIGKILL')
    await mount.cutOff()
    await outcome(system.close(orphan))
    const before = mount.devices.map(fingerprint)

    await mount.mount('-o', 'ro', '--channel', channel(t))
    const held = await system.open(`${root}/file1`, O_RDONLY)
    await readMuch(system, root)
    t.same(mount.devices.map(fingerprint), before, 'read-only, with an orphan that was left')
    await remounts(t, mount, 'rw')
    t.equal((await system.pread(held, 4, 0)).toString('hex'), '01010101', 'what was open stays so')
    await system.writeFile(`${root}/new`, Buffer.alloc(200_000, 7))
    await readMuch(system, root)
    await remounts(t, mount, 'ro')
    const after = mount.devices.map(fingerprint)
    t.not(after, before)
    await readMuch(system, root)
    t.same(mount.devices.map(fingerprint), after)
    await system.close(held)
    await mount.unmount()
    await mount.mount()
    t.equal((await system.readFile(`${root}/new`)).length, 200_000, 'it is on the device')
    await mount.unmount()
    await mount.check()
  }
}

void tap.test(
  'mounted read-only, then writable, over /dev/fuse',
  fromReadOnly(() => 'devfuse'),
)
void tap.test('mounted read-only, then writable, over io_uring', fromReadOnly(turnRingOn))

void tap.test('without the helper', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const system = await actor(t)
  const root = mount.mountpoint
  await fill(system, root)
  t.match(await kernelRemounts(mount, 'ro'), { end: 0 })
  t.ok(await until(() => isReadOnly(mount)), 'the server watches the mount table')
  const before = mount.devices.map(fingerprint)
  await readMuch(system, root)
  t.same(mount.devices.map(fingerprint), before)
  t.match(await kernelRemounts(mount, 'rw'), { end: 0 })
  t.ok(await until(async () => !(await isReadOnly(mount))))
  await system.writeFile(`${root}/new`, 'contents')
  t.match(await kernelRemounts(mount, 'rw,noatime'), { end: 0 })
  const due = `${root}/file3`
  const moves = async (): Promise<boolean> => {
    const { mtimeNs } = await system.stat(due)
    await system.setTimes(due, mtimeNs - hourNs, mtimeNs)
    const { atimeNs: set } = await system.stat(due)
    await tick()
    const fd = await system.open(due, O_RDONLY | constants.O_DIRECT)
    await system.pread(fd, 4096, 0)
    await system.close(fd)
    return (await system.stat(due)).atimeNs !== set
  }
  t.ok(await until(async () => !(await moves())), 'noatime holds, too')
  t.match(await kernelRemounts(mount, 'rw,atime,relatime'), { end: 0 })
  t.ok(await until(moves), 'and so does relatime')
  await mount.unmount()
  await mount.check()
})

void tap.test('a file without a name is kept while it is in use', async (t) => {
  const { mount, path } = await makeLostFile(t)
  const system = await actor(t)
  const root = mount.mountpoint
  await mount.mount('-o', 'errors=remount-ro')
  const held = await system.open(`${root}/held`, O_RDWR | O_CREAT)
  await system.write(held, Buffer.alloc(100_000, 5))
  await system.unlink(`${root}/held`)
  t.match(await finish('cat', [path]), { output: /Structure needs cleaning/ })
  t.ok(await until(() => isReadOnly(mount)), 'damage makes it read-only')
  const before = mount.devices.map(fingerprint)
  t.equal((await system.pread(held, 4, 0)).toString('hex'), '05050505')
  t.equal(await outcome(system.writeFile(`${root}/new`, 'contents')), 'EROFS')
  t.equal(await outcome(system.pwrite(held, Buffer.from('x'), 0)), 'EROFS')
  await system.close(held)
  await finish('sh', ['-c', 'cat "$0"/* >/dev/null', root])
  t.same(mount.devices.map(fingerprint), before, 'not a byte of the device changes')
  t.match(await succeed('info', root), /^ +mode +read-only: damage was met/m)
  const refused = await pmfs2([mount.device, root, '-o', 'remount,rw'])
  t.match(refused, { end: 32, output: /it stays read-only: damage was met .*until it is unmounted$/ })
  await mount.unmount()
  t.same(mount.devices.map(fingerprint), before, 'nor at its end')
  await mount.mount()
  await system.writeFile(`${root}/new`, 'contents')
  await mount.unmount()
})

void tap.test('errors=continue goes on', async (t) => {
  const { mount, path } = await makeLostFile(t)
  const system = await actor(t)
  await mount.mount('-o', 'errors=continue')
  t.match(await finish('cat', [path]), { output: /Structure needs cleaning/ })
  t.ok(await until(async () => (await mount.report()).damagedPlaces.length > 0))
  t.equal(await outcome(system.writeFile(`${mount.mountpoint}/new`, 'contents')), 'OK')
  t.notOk(await isReadOnly(mount))
})

void tap.test('what a remount refuses', async (t) => {
  const mount = await TestMount.mounted(t, '16M', '--channel', 'devfuse')
  const root = mount.mountpoint
  const cases: readonly (readonly [options: string, end: number, line: RegExp])[] = [
    ['strictatime', 1, /^mount: strictatime cannot be changed by a remount: unmount/],
    ['direct_io', 1, /^mount: direct_io cannot be changed by a remount/],
    ['workers=7', 1, /^mount: workers cannot be changed/],
    ['data=cow', 1, /^mount: data cannot be changed by a remount/],
    ['writeback_cache', 1, /^mount: writeback_cache cannot be changed/],
    ['noacl', 1, /^mount: noacl cannot be changed/],
    ['noxattr', 1, /^mount: noxattr cannot be changed/],
    ['errors=remount-ro', 1, /^mount: errors cannot be changed/],
    ['frobnicate', 1, /^mount: unknown mount option frobnicate/],
  ]
  for (const [options, end, output] of cases)
    t.match(await pmfs2([mount.device, root, '-o', `remount,${options}`]), { end, output }, options)
  t.match(
    await pmfs2([
      mount.device,
      root,
      '-o',
      'remount,workers=1,channel=devfuse,errors=continue,data=inplace,acl,xattr',
    ]),
    {
      end: 0,
    },
  )
  await mount.unmount()
  t.match(await pmfs2([mount.device, root, '-o', 'remount,ro']), {
    end: 32,
    output: /: no PMFS2 file system is mounted there$/,
  })
})

void tap.test('a remount by the program keeps the flags that a mount has', async (t) => {
  const mount = await TestMount.mounted(t, '16M', '-o', 'nosuid,nodev,noexec,noatime')
  const root = mount.mountpoint
  const flags = (): readonly string[] => {
    const options = findMount(root)?.options ?? []
    return ['ro', 'nosuid', 'nodev', 'noexec', 'noatime'].filter((flag) => options.includes(flag))
  }
  t.match(await pmfs2([mount.device, root, '-o', 'remount,ro']), { end: 0 })
  t.same(flags(), ['ro', 'nosuid', 'nodev', 'noexec', 'noatime'])
  t.match(await pmfs2([mount.device, root, '-o', 'remount,rw,exec']), { end: 0 })
  t.same(flags(), ['nosuid', 'nodev', 'noatime'])
})

void tap.test('a device that cannot be written', async (t) => {
  const mount = await TestMount.make(t, '16M')
  const loops: string[] = []
  for (const device of mount.devices) {
    const loop = (await run('losetup', ['--find', '--show', '--read-only', device])).trim()
    t.teardown(() => run('losetup', ['--detach', loop]))
    loops.push(loop)
  }
  const [loop] = loops as [string]
  const root = mount.mountpoint
  await succeed(loop, root, '-o', 'ro')
  await mount.adopt()
  const refused = await pmfs2([loop, root, '-o', 'remount,rw'])
  t.match(refused, { end: 32, output: /it stays read-only: cannot write to \/dev\/loop\d+/ })
  t.ok(findMount(root)?.superOptions.includes('ro'), 'the kernel has it read-only again')
  t.match(await kernelRemounts(mount, 'rw'), { end: 0 })
  t.ok(await until(() => Promise.resolve(findMount(root)?.superOptions.includes('ro') ?? false)))
  await mount.unmount()
})

function forced(channel: (t: Test) => string): (t: Test) => Promise<void> {
  return async (t) => {
    const mount = await TestMount.mounted(t, '16M', '--channel', channel(t))
    const system = await actor(t)
    const root = mount.mountpoint
    await system.writeFile(`${root}/file`, 'contents')
    const held = await system.open(`${root}/held`, O_RDWR | O_CREAT)
    await system.unlink(`${root}/held`)
    const { pid } = await mount.report()
    const { end } = await finish('umount', ['-f', root])
    t.equal(end, 32, 'it is in use')
    t.ok(await hasEnded(pid), 'the server ends')
    t.equal(await outcome(system.stat(`${root}/file`)), 'ENOTCONN')
    t.equal(await stateOf(mount), 'clean', 'in order')
    await outcome(system.close(held))
    await mount.cutOff()
    await mount.check()
    await mount.mount()
    t.equal((await system.readFile(`${root}/file`)).toString(), 'contents')
    const { pid: second } = await mount.report()
    t.match(await finish('umount', ['-f', root]), { end: 0 })
    t.ok(await hasEnded(second))
    t.equal(await stateOf(mount), 'clean')
  }
}

void tap.test(
  'umount -f over /dev/fuse',
  forced(() => 'devfuse'),
)
void tap.test('umount -f over io_uring', forced(turnRingOn))

void tap.test('remounted again and again, under load', async (t) => {
  const mount = await TestMount.mounted(t, '16M', '--channel', 'devfuse', '--workers', '2')
  const system = await actor(t)
  const root = mount.mountpoint
  await writeFile(`${root}/file`, Buffer.alloc(100_000, 1))
  let isOver = false
  const reader = (async () => {
    const fd = await system.open(`${root}/file`, O_RDONLY | constants.O_DIRECT)
    let reads = 0
    for (; !isOver; reads++)
      if ((await system.pread(fd, 4096, 4096)).length !== 4096) throw new Error('short')
    await system.close(fd)
    return reads
  })()
  for (let n = 0; n < 6; n++) {
    t.match(await pmfs2([mount.device, root, '-o', 'remount,ro']), { end: 0 })
    t.match(await pmfs2([mount.device, root, '-o', 'remount,rw']), { end: 0 })
    await writeFile(`${root}/file${n}`, 'contents')
  }
  isOver = true
  t.ok((await reader) > 0)
  await mount.unmount()
  await mount.check()
})
