// SPDX-License-Identifier: GPL-2.0-only
/** What mount options do, as programs on the mount see it. */
import { constants } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import tap from 'tap'
import { findMount } from '../../src/daemon/mount-table.js'
import { fingerprint } from '../cli/cli.js'
import { actor, tick } from '../posix/fixture.js'
import { type System, outcome } from '../support/system.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { TestMount, pmfs2, succeed } from '../support/test-mount.js'

tap.setTimeout(300_000)

const { O_CREAT, O_NOATIME, O_RDONLY, O_WRONLY, W_OK } = constants
const hourNs = 3_600_000_000_000n

void tap.test('ro', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const system = await actor(t)
  const file = `${mount.mountpoint}/file`
  await system.writeFile(file, 'contents')
  await system.symlink('file', `${mount.mountpoint}/link`)
  await mount.unmount()
  const before = mount.devices.map(fingerprint)

  await mount.mount('-o', 'ro')
  t.ok(findMount(mount.mountpoint)?.options.includes('ro'), 'the mount table says so')
  t.equal((await system.readFile(file)).toString(), 'contents')
  t.equal((await system.readlink(`${mount.mountpoint}/link`)).toString(), 'file')
  t.same(await system.names(mount.mountpoint), ['file', 'link'])
  const { mountpoint } = mount
  const refused: readonly [string, Promise<unknown>][] = [
    ['open for writing', system.open(file, O_WRONLY)],
    ['create', system.open(`${mountpoint}/new`, O_WRONLY | O_CREAT)],
    ['mkdir', system.mkdir(`${mountpoint}/new`)],
    ['symlink', system.symlink('file', `${mountpoint}/new`)],
    ['link', system.link(file, `${mountpoint}/new`)],
    ['mkfifo', system.mkfifo(`${mountpoint}/new`)],
    ['rename', system.rename(file, `${mountpoint}/new`)],
    ['unlink', system.unlink(file)],
    ['truncate', system.truncate(file, 1)],
    ['chmod', system.chmod(file, 0o600)],
    ['chown', system.chown(file, 1, 1)],
    ['utimensat', system.setTimes(file, 0n, 0n)],
  ]
  for (const [what, call] of refused) t.equal(await outcome(call), 'EROFS', what)
  t.notOk(await system.access(file, W_OK), 'access says that it cannot be written')
  await mount.unmount()
  t.same(mount.devices.map(fingerprint), before, 'not a byte of the device has changed')
})

void tap.test('what the device is, is told also with ro', async (t) => {
  const folder = await temporaryDirectory(t)
  const [device, mountpoint] = [`${folder}/device`, `${folder}/mount`]
  await mkdir(mountpoint)
  t.teardown(() => pmfs2(['umount', '--lazy', mountpoint]))
  await succeed('mkfs', device, '--size', '16M')
  t.match(await succeed(device, mountpoint), /durable once fdatasync\(2\) has written its pages/)
  await succeed('umount', mountpoint)
  t.match(await succeed(device, mountpoint, '-o', 'ro'), /durable once fdatasync\(2\) has written its pages/)
  await succeed('umount', mountpoint)
})

void tap.test('require_dax refuses what is not mapped directly, and leaves it alone', async (t) => {
  for (const parent of [tmpdir(), SHARED_MEMORY]) {
    const mount = await TestMount.make(t, '16M', parent)
    const { device, mountpoint } = mount
    const before = mount.devices.map(fingerprint)
    for (const options of [['--require-dax'], ['-o', 'require_dax'], ['-o', 'ro,require_dax', '-f']]) {
      const { end, output } = await pmfs2(['mount', device, mountpoint, ...options])
      t.equal(end, 32, options.join(' '))
      t.ok(
        output.startsWith(`mount: ${device} is a file `) &&
          /require_dax takes only what is mapped directly/.test(output),
        output,
      )
      t.notOk(mount.isMounted())
    }
    t.same(mount.devices.map(fingerprint), before, 'not a byte of the device has changed')
    t.match(await mount.mount(), new RegExp(`^mount: ${device} is a file .*a power failure loses`, 'm'))
    const { end, output } = await pmfs2(['mount', device, mountpoint, '-o', 'remount,require_dax'])
    t.equal(end, 1)
    t.match(output, /require_dax cannot be changed by a remount/)
    await mount.unmount()
  }
})

void tap.test('ro leaves even what recovery would mend', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const system = await actor(t)
  const path = `${mount.mountpoint}/unlinked`
  const fd = await system.open(path, O_WRONLY | O_CREAT)
  await system.write(fd, Buffer.alloc(10_000, 1))
  await system.unlink(path)
  const { pid } = await mount.report()
  process.kill(pid, 'SIGKILL')
  await mount.cutOff()
  await outcome(system.close(fd))
  const before = mount.devices.map(fingerprint)
  await mount.mount('-o', 'ro')
  t.same(await system.names(mount.mountpoint), [])
  await mount.unmount()
  t.same(mount.devices.map(fingerprint), before, 'the orphan is still there')
  await mount.mount()
  await mount.unmount()
  t.notSame(mount.devices.map(fingerprint), before, 'until it is mounted for writing')
  await mount.check()
})

/** Whether reading a file moves its time of access. */
async function readingMoves(system: System, path: string): Promise<boolean> {
  const before = await system.stat(path)
  await tick()
  const contents = await system.readFile(path)
  if (contents.length === 0) throw new Error(`${path} is empty, so nothing was read`)
  const after = await system.stat(path)
  return after.atimeNs !== before.atimeNs
}

void tap.test('times of access', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const system = await actor(t)
  const pathOf = (option: string, file: string): string => `${mount.mountpoint}/${option}-${file}`
  const optionLists = ['relatime', 'noatime', 'ro']
  for (const option of optionLists) {
    await system.writeFile(pathOf(option, 'changed'), 'contents')
    await system.writeFile(pathOf(option, 'read'), 'contents')
    // The time of the last change, ctime, is now whatever one does; what counts as read after it lies ahead.
    const now = BigInt(Date.now()) * 1_000_000n
    await system.setTimes(pathOf(option, 'changed'), now - hourNs, now - 2n * hourNs)
    await system.setTimes(pathOf(option, 'read'), now + hourNs, now - 2n * hourNs)
  }
  const left: (readonly [path: string, atimeNs: bigint])[] = []
  for (const option of optionLists) {
    // No cache may answer: a read that costs no request moves nothing.
    await mount.remount('-o', option)
    const changed = pathOf(option, 'changed')
    const moves = option === 'relatime'
    t.equal(await readingMoves(system, changed), moves, `${option}: not read since it was changed`)
    t.equal(await readingMoves(system, pathOf(option, 'read')), false, `${option}: read since it was changed`)
    left.push([changed, (await system.stat(changed)).atimeNs])
  }
  await mount.remount()
  for (const [path, atimeNs] of left)
    t.equal((await system.stat(path)).atimeNs, atimeNs, `${path}: so it stays`)
})

void tap.test('times of access of directories, and with O_NOATIME', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const system = await actor(t)
  const now = BigInt(Date.now()) * 1_000_000n
  const moves: readonly [option: string, file: boolean, directory: boolean][] = [
    ['relatime', true, true],
    ['nodiratime', true, false],
    ['noatime', false, false],
    ['ro', false, false],
  ]
  for (const [option] of moves) {
    await system.mkdir(`${mount.mountpoint}/${option}`)
    for (const file of ['file', 'quiet']) {
      await system.writeFile(`${mount.mountpoint}/${option}/${file}`, 'contents')
      await system.setTimes(`${mount.mountpoint}/${option}/${file}`, now - hourNs, now - 2n * hourNs)
    }
    await system.setTimes(`${mount.mountpoint}/${option}`, now - hourNs, now - 2n * hourNs)
  }
  for (const [option, file, directory] of moves) {
    await mount.remount('-o', option)
    const path = `${mount.mountpoint}/${option}`
    const before = await system.stat(`${path}/quiet`)
    await tick()
    const fd = await system.open(`${path}/quiet`, O_RDONLY | O_NOATIME)
    t.equal((await system.read(fd, 100)).toString(), 'contents')
    t.equal((await system.stat(`${path}/quiet`)).atimeNs, before.atimeNs, `${option}: O_NOATIME`)
    await system.close(fd)
    t.equal(await readingMoves(system, `${path}/file`), file, `${option}: a file`)
    const { atimeNs } = await system.stat(path)
    t.same(await system.names(path), ['file', 'quiet'])
    t.equal((await system.stat(path)).atimeNs !== atimeNs, directory, `${option}: a directory`)
  }
})

void tap.test('strictatime', async (t) => {
  const mount = await TestMount.mounted(t, '16M', '-o', 'strictatime')
  const system = await actor(t)
  const root = mount.mountpoint
  const options = findMount(root)?.options ?? []
  t.notOk(
    options.includes('relatime') || options.includes('noatime'),
    'the mount table shows neither of the others',
  )
  await system.mkdir(`${root}/folder`)
  await system.writeFile(`${root}/folder/file`, 'contents')
  await system.symlink('file', `${root}/folder/link`)
  const accesses: readonly [what: string, path: string, access: () => Promise<unknown>][] = [
    ['read', `${root}/folder/file`, () => system.readFile(`${root}/folder/file`)],
    ['readdir', `${root}/folder`, () => system.names(`${root}/folder`)],
    ['readlink', `${root}/folder/link`, () => system.readlink(`${root}/folder/link`)],
  ]
  const left: bigint[] = []
  for (const [what, path, access] of accesses) {
    for (let n = 0; n < 3; n++) {
      const { atimeNs: before } = await system.lstat(path)
      await tick()
      await access()
      t.ok((await system.lstat(path)).atimeNs > before, `each ${what} moves the time`)
    }
    left.push((await system.lstat(path)).atimeNs)
  }
  await mount.remount('-o', 'noatime')
  for (const [n, [what, path]] of accesses.entries())
    t.equal((await system.lstat(path)).atimeNs, left[n], `the time of the ${what} is on the medium`)
})

void tap.test('relatime notes that a symbolic link was read', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const system = await actor(t)
  const link = `${mount.mountpoint}/link`
  await system.symlink('target', link)
  const { atimeNs: made } = await system.lstat(link)
  await tick()
  await system.readlink(link)
  const { atimeNs: read } = await system.lstat(link)
  t.ok(read > made)
  await mount.remount()
  await tick()
  await system.readlink(link)
  t.equal((await system.lstat(link)).atimeNs, read, 'once')
})

void tap.test('direct_io keeps the page cache out', async (t) => {
  const mount = await TestMount.mounted(t, '16M', '-o', 'direct_io')
  const system = await actor(t)
  const path = `${mount.mountpoint}/file`
  await system.writeFile(path, Buffer.alloc(8192, 1))
  const fd = await system.open(path, O_RDONLY)
  const reads = async (): Promise<number> => (await mount.report()).requests['READ'] ?? 0
  const before = await reads()
  for (let n = 0; n < 3; n++) t.equal((await system.pread(fd, 4096, 4096)).length, 4096)
  t.equal((await reads()) - before, 3, 'each read is a request')
  const map = await system.map(fd, 8192).catch(() => system.open(path, O_RDONLY))
  t.type(map, 'number')
})

void tap.test('options of the kernel stand in the mount table', async (t) => {
  const mount = await TestMount.mounted(t, '16M', '-o', 'nosuid,nodev', '-o', 'noexec,noatime')
  const options = findMount(mount.mountpoint)?.options ?? []
  for (const option of ['rw', 'nosuid', 'nodev', 'noexec', 'noatime']) t.ok(options.includes(option), option)
})
