// SPDX-License-Identifier: GPL-2.0-only
/**
 * Mounts whose device the package mmap-io maps, as programs on the mount see them, and installations that lack it or
 * fuse-native.
 */
import { cp, mkdir, open, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { fingerprintOfStart } from '../cli/cli.js'
import { walkThroughReadme } from '../support/readme-walk.js'
import { finish, run, withoutRunner } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { TestMount, packageRoot, pmfs2, succeed } from '../support/test-mount.js'

tap.setTimeout(600_000)

const gibibyte = 2 ** 30
const byMmapIo = ['--mapper', 'mmap-io']
/** Of a machine that is busy otherwise. */
const commandLimitMs = 120_000
/** mount(8) gives it where a mount failed. */
const exitFailure = 32
/** And this where something of the system is missing. */
const exitSystem = 2

/** Whether a process has loaded the package's native part. */
async function usesMmapIo(pid: number): Promise<boolean> {
  return (await readFile(`/proc/${pid}/maps`, 'utf8')).includes('/mmap_io.node')
}

/** The superblock, the log and what comes first after them. */
const digestOfStart = (path: string) => fingerprintOfStart(path, 2 ** 25)

void tap.test('the commands of README.md, and fsck', async (t) => {
  // The commands name one device.
  const mount = await TestMount.makeOn(t, gibibyte / 4)
  await walkThroughReadme(t, mount, byMmapIo, async () => {
    const { pid, mapper } = await mount.adopt()
    t.equal(mapper, 'mmap-io')
    t.ok(await usesMmapIo(pid), 'the server has loaded it')
    t.match(await succeed('info', mount.device), /^ *mapped +by mmap-io/m)
  })
  await mount.unmount()
  await mount.check()
})

void tap.test('a mount that grows', async (t) => {
  const mount = await TestMount.makeOn(t, gibibyte / 16)
  const { device, mountpoint } = mount
  await mount.mount(...byMmapIo)
  await succeed('grow', mountpoint, '--size', '128M', '--sparse')
  const { end, output } = await pmfs2(['grow', mountpoint, '--size', '3G', '--sparse'])
  t.equal(end, 1)
  t.match(output, /mmap-io maps nothing from 2 GiB of a device on/)
  t.equal((await stat(device)).size, gibibyte / 8, 'what it cannot map is not added')
  await succeed('grow', mountpoint, `${device}-added`, '--size', '64M', '--sparse')
  const contents = Buffer.alloc(150 * 2 ** 20, 'a piece of it ')
  await writeFile(join(mountpoint, 'large'), contents)
  const { mapper } = await mount.report()
  t.equal(mapper, 'mmap-io')
  await mount.unmount()
  await mount.check()
  await mount.mount()
  t.ok((await readFile(join(mountpoint, 'large'))).equals(contents), 'as the native part maps it')
})

void tap.test('two windows, and two devices', async (t) => {
  const mount = await TestMount.makeOn(t, 2 * gibibyte, gibibyte)
  await mount.mount('-o', 'mapper=mmap-io')
  // What is taken from the end lies in the second window of the first device, and on the second one.
  const path = join(mount.mountpoint, 'file')
  await run('fallocate', ['-l', '2700M', path])
  const file = await open(path, 'r+')
  const places = [0, 1.2, 1.9, 2.6].map((n) => Math.round(n * gibibyte))
  for (const place of places) await file.write(`at ${place}`, place)
  await file.close()
  await mount.unmount()
  await mount.check()
  await mount.mount()
  const { pid, mapper } = await mount.report()
  t.equal(mapper, 'native')
  t.notOk(await usesMmapIo(pid), 'it is loaded only where it is asked for')
  const read = await open(path)
  for (const place of places) {
    const expected = `at ${place}`
    const { buffer } = await read.read(Buffer.alloc(expected.length), 0, expected.length, place)
    t.equal(buffer.toString(), expected)
  }
  await read.close()
  await mount.unmount()
})

void tap.test('a device past 2 GiB is refused, and nothing changes on it', async (t) => {
  const mount = await TestMount.makeOn(t, 3 * gibibyte)
  const before = [digestOfStart(mount.device), (await stat(mount.device)).blocks]
  const { end, output } = await pmfs2([mount.device, mount.mountpoint, ...byMmapIo])
  t.equal(end, exitFailure)
  t.match(output, /cannot map .*medium: mmap-io maps nothing from 2 GiB of a device on.*use --mapper native/)
  t.notOk(mount.isMounted())
  t.same([digestOfStart(mount.device), (await stat(mount.device)).blocks], before)
  await mount.mount('--mapper', 'native')
  await mount.unmount()
})

void tap.test('remounts', async (t) => {
  const mount = await TestMount.mounted(t, '64M', '-o', 'ro', ...byMmapIo)
  const remount = (options: string) =>
    pmfs2(['mount', mount.device, mount.mountpoint, '-o', `remount,${options}`])
  const write = (text: string) =>
    run('sh', ['-c', 'printf %s "$1" >> "$2/file"', 'sh', text, mount.mountpoint])
  await t.rejects(write('refused'))
  t.same(await remount('rw'), { end: 0, output: '' })
  await write('first ')
  t.same(await remount('ro,mapper=mmap-io'), { end: 0, output: '' })
  await t.rejects(write('refused'))
  t.same(await remount('rw'), { end: 0, output: '' })
  await write('second')
  const other = await remount('rw,mapper=native')
  t.match(other.output, /mapper cannot be changed by a remount/)
  await mount.unmount()
  await mount.check()
  await mount.mount()
  t.equal(await readFile(join(mount.mountpoint, 'file'), 'utf8'), 'first second')
  await mount.unmount()
})

void tap.test('an unknown mapper', async (t) => {
  const mount = await TestMount.make(t, '16M')
  for (const args of [
    ['--mapper', 'mmap'],
    ['-o', 'mapper=mmap'],
  ]) {
    const { end, output } = await pmfs2([mount.device, mount.mountpoint, ...args])
    t.equal(end, 1)
    t.match(output, /mapper=mmap: one of native, mmap-io is needed/)
  }
})

/** A copy of the program with only these of the packages. @returns its command */
async function installation(t: Test, ...packages: readonly string[]): Promise<string> {
  const folder = await temporaryDirectory(t)
  for (const part of ['bin', 'package.json', 'dist/program', 'dist/layout', 'build/Release'])
    await cp(join(packageRoot, part), join(folder, part), { recursive: true })
  await mkdir(join(folder, 'node_modules'))
  for (const name of packages)
    await symlink(join(packageRoot, 'node_modules', name), join(folder, 'node_modules', name))
  return join(folder, 'bin/pmfs2-fuse.js')
}

void tap.test('an installation without the packages, and one where mmap-io is not built', async (t) => {
  const mount = await TestMount.make(t, '16M')
  const command = await installation(t, 'debug', 'yargs')
  const start = (...args: readonly string[]) =>
    finish(
      'env',
      [...withoutRunner, process.execPath, command, mount.device, mount.mountpoint, ...args],
      commandLimitMs,
    )
  const missing = await start(...byMmapIo)
  t.equal(missing.end, exitSystem)
  t.match(
    missing.output,
    /^mount: mapper=mmap-io: the package mmap-io is not installed: install pmfs2 again without --omit=optional .*without --mapper/,
  )

  const noFuse = await start('--channel', 'fuse-native')
  t.equal(noFuse.end, exitSystem)
  t.match(
    noFuse.output,
    /^mount: the channel fuse-native needs the npm package fuse-native, which is not installed: install pmfs2 again without --omit=optional \(in a clone: npm install\); npm leaves it out where it cannot be built, .*$/,
    'in one line',
  )
  t.notMatch(noFuse.output, '\n')

  const modules = join(command, '../../node_modules')
  await cp(join(packageRoot, 'node_modules/mmap-io'), join(modules, 'mmap-io'), {
    recursive: true,
    filter: (path) => !path.includes('mmap-io/build') && !path.includes('mmap-io/node_modules'),
  })
  await symlink(join(packageRoot, 'node_modules/@mapbox'), join(modules, '@mapbox'))
  const unbuilt = await start(...byMmapIo)
  t.equal(unbuilt.end, exitSystem)
  t.match(unbuilt.output, /the package mmap-io is installed, but not built for Node \d.*npm rebuild mmap-io/)
  t.notMatch(unbuilt.output, /bug/)

  t.notOk(mount.isMounted())
  const { end, output } = await start()
  t.equal(end, 0, `whoever does not ask for it mounts: ${output}`)
  await mount.adopt()
  await mount.unmount()
  await mount.check()
})
