// SPDX-License-Identifier: GPL-2.0-only
/** -o writeback_cache: what is gathered, what is durable when, and that errors of late writes are heard of. */
import { constants } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import tap, { type Test } from 'tap'
import { pattern } from '../posix/fixture.js'
import { fl, setFlags } from '../support/inode-flags.js'
import { requestCost } from '../support/request-cost.js'
import { run } from '../support/run-command.js'
import { SEEK_END, SEEK_SET, System, outcome } from '../support/system.js'
import { TestMount, hasEnded, pmfs2, programEnvironment, succeed, until } from '../support/test-mount.js'

tap.setTimeout(300_000)

const { O_APPEND, O_CREAT, O_DSYNC, O_RDWR, O_SYNC, O_WRONLY } = constants
const SEEK_DATA = 3
const SEEK_HOLE = 4
/** As timeout(1) and a closing terminal send signals. */
const togetherMs = 5
const writeback = ['-o', 'writeback_cache', '--channel', 'devfuse']
const lateness = /buffered writes are durable only after fsync\(2\)/

interface Place {
  readonly mount: TestMount
  readonly system: System
  readonly path: (name: string) => string
}

async function place(t: Test, size = '64M'): Promise<Place> {
  const mount = await TestMount.make(t, size)
  t.match(await mount.mount(...writeback), lateness, 'the mount says what it gives up')
  const system = await System.start()
  t.teardown(() => system.stop())
  return { mount, system, path: (name) => join(mount.mountpoint, name) }
}

/** Kills the server, and mounts anew: the page cache of the old mount is lost. */
async function loseServer({ mount, system }: Place, fds: readonly number[]): Promise<void> {
  const { pid } = await mount.report()
  process.kill(pid, 'SIGKILL')
  if (!(await hasEnded(pid))) throw new Error('the server outlives SIGKILL')
  for (const fd of fds) await outcome(system.close(fd))
  await mount.cutOff()
  await mount.mount(...writeback)
}

void tap.test('small writes gather, and size and time are known without a request', async (t) => {
  const here = await place(t)
  const { mount, system, path } = here
  const fd = await system.open(path('log'), O_RDWR | O_CREAT)
  await system.write(fd, pattern(100))
  const rounds = 300
  const start = performance.now()
  const cost = await requestCost(mount, async () => {
    for (let n = 0; n < rounds; n++) {
      await system.write(fd, pattern(100))
      await system.fstat(fd)
      await system.lseek(fd, 0, SEEK_END)
    }
  })
  const seconds = Math.ceil((performance.now() - start) / 1000)
  t.comment(JSON.stringify(cost))
  t.ok((cost['GETATTR'] ?? 0) <= seconds + 1, 'attributes are asked for once a second at the most')
  t.ok((cost['WRITE'] ?? 0) <= 2 * seconds, 'hundreds of writes are hardly any requests')
  t.equal((await system.fstat(fd)).size, 100 * (rounds + 1))
  const flushed = await requestCost(mount, () => system.fsync(fd))
  t.comment(JSON.stringify(flushed))
  t.ok((flushed['WRITE'] ?? 0) <= 1, 'and fsync writes them in one')
  await system.close(fd)
  t.equal(
    (await system.stat(path('log'))).blocks,
    9 * 8,
    'after close, the blocks are known: eight, and a node',
  )
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
})

void tap.test('durable after', async (t) => {
  const here = await place(t)
  const { system, path } = here
  const data = pattern(10_000)
  const ways: readonly [name: string, flags: number, sync: (fd: number) => Promise<unknown>][] = [
    ['fsync', 0, (fd) => system.fsync(fd)],
    ['fdatasync', 0, (fd) => system.fdatasync(fd)],
    ['a write with O_SYNC', O_SYNC, () => Promise.resolve()],
    ['a write with O_DSYNC', O_DSYNC, () => Promise.resolve()],
    ['close', 0, (fd) => system.close(fd)],
  ]
  const fds: number[] = []
  for (const [name, flags, sync] of ways) {
    const fd = await system.open(path(name), O_RDWR | O_CREAT | flags)
    await system.pwrite(fd, data, 100)
    await sync(fd)
    fds.push(fd)
  }
  const mapped = await system.open(path('msync'), O_RDWR | O_CREAT)
  await system.ftruncate(mapped, 8192)
  const mapping = await system.map(mapped, 8192)
  await system.mapWrite(mapping, 4000, data.subarray(0, 1000))
  await system.mapSync(mapping)
  await system.unmap(mapping)
  await loseServer(here, [...fds, mapped])
  for (const [name] of ways) {
    const found = await system.readFile(path(name))
    t.ok(found.subarray(100).equals(data), name)
  }
  t.ok((await system.readFile(path('msync'))).subarray(4000, 5000).equals(data.subarray(0, 1000)), 'msync')
})

void tap.test('whoever is told what a power failure loses is told of gathered writes', async (t) => {
  const mount = await TestMount.make(t, '16M', tmpdir())
  const [log, added] = [join(mount.folder, 'log'), join(mount.folder, 'added')]
  await writeFile(join(mount.folder, 'logger'), `#!/bin/sh\nexec cat >>'${log}'\n`, { mode: 0o755 })
  const path = `PATH=${mount.folder}:${process.env['PATH']}`
  programEnvironment.push(path)
  t.teardown(() => programEnvironment.splice(programEnvironment.indexOf(path), 1))
  const truth = /; a power failure loses what was written and neither fsynced nor closed since/
  const isTold = (text: string, times: number, where: string): void => {
    t.equal(text.split(truth).length - 1, times, where)
    t.notMatch(text, /loses nothing/, where)
  }
  const count = mount.devices.length
  isTold(await mount.mount(...writeback), count, 'by mount')
  isTold(await succeed('grow', mount.mountpoint, added, '--size', '2M'), 1, 'by grow')
  isTold(await succeed('info', mount.mountpoint), count + 1, 'by info')
  t.match(await succeed('info', mount.mountpoint), /writes .* in place .*\(writeback_cache\)$/m)
  const { devices } = JSON.parse(await succeed('info', mount.mountpoint, '--json')) as {
    devices: { persistence: { summary: string } }[]
  }
  t.ok(devices.every(({ persistence }) => truth.test(persistence.summary)))
  const logged = () => readFile(log, 'utf8').catch(() => '')
  t.ok(await until(async () => (await logged()).split(truth).length > count + 1), await logged())
  isTold(await logged(), count + 1, 'by the system log')

  const { pid } = await mount.report()
  process.kill(pid, 'SIGSTOP')
  const unknown = await pmfs2(['info', mount.mountpoint])
  process.kill(pid, 'SIGCONT')
  t.match(unknown.output, /loses nothing that was acknowledged, unless it is mounted with writeback_cache$/m)
  await mount.unmount()
  const again = [...mount.devices, added, mount.mountpoint]
  t.match(await succeed(...again, '-o', `ro,${writeback[1]}`, '--channel', 'devfuse'), truth)
  await mount.adopt()
  await succeed(mount.device, mount.mountpoint, '-o', 'remount,rw')
  isTold(await succeed('info', mount.mountpoint), count + 1, 'after a remount')
  await mount.unmount()
})

void tap.test('a late ENOSPC reaches fsync, and close', async (t) => {
  const { mount, system, path } = await place(t, '32M')
  const { bfree } = await system.statfs(mount.mountpoint)
  const filler = await system.open(path('filler'), O_WRONLY | O_CREAT | O_SYNC)
  // What is left is less than is written below, and enough for names and nodes.
  await system.pwrite(filler, pattern((bfree - 64) * 4096), 0)
  const lost = pattern(2 ** 20)
  for (const [name, hearing] of [
    ['fsync', (fd: number) => system.fsync(fd)],
    ['close', (fd: number) => system.close(fd)],
  ] as const) {
    const fd = await system.open(path(name), O_WRONLY | O_CREAT)
    t.equal(await system.pwrite(fd, lost, 0), lost.length, 'the write itself knows nothing')
    t.equal(await outcome(hearing(fd)), 'ENOSPC', name)
    if (name !== 'close') await system.close(fd)
    await system.unlink(path(name))
  }
  await system.close(filler)
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
})

void tap.test('times are those of the writes, and of who sets them', async (t) => {
  const { mount, system, path } = await place(t)
  const written = await system.open(path('written'), O_WRONLY | O_CREAT)
  const set = await system.open(path('set'), O_WRONLY | O_CREAT)
  for (const fd of [written, set]) await system.pwrite(fd, pattern(100), 50)
  const mtime = 1_000_000_007_000_000_009n
  await system.setTimes(path('set'), mtime, mtime)
  const before = await system.fstat(written)
  await new Promise((resolve) => setTimeout(resolve, 100))
  for (const fd of [written, set]) await system.fsync(fd)
  for (const fd of [written, set]) await system.close(fd)
  await mount.remount(...writeback)
  const after = await system.stat(path('written'))
  t.equal(after.mtimeNs, before.mtimeNs, 'not the time of the late write')
  t.equal(after.ctimeNs, before.ctimeNs)
  t.equal((await system.stat(path('set'))).mtimeNs, mtime)
})

void tap.test('what has not been written back is no hole', async (t) => {
  const { mount, system, path } = await place(t)
  const fd = await system.open(path('sparse'), O_RDWR | O_CREAT)
  await system.ftruncate(fd, 2 ** 20)
  await system.fsync(fd)
  await system.pwrite(fd, pattern(5000), 600_000)
  const data = await system.lseek(fd, 0, SEEK_DATA)
  const hole = await system.lseek(fd, 600_000, SEEK_HOLE)
  t.ok(data <= 600_000 && hole >= 605_000, `data from ${data}, a hole from ${hole}`)
  const copy = path('copy')
  await run('cp', [path('sparse'), copy])
  t.ok((await system.readFile(copy)).subarray(600_000, 605_000).equals(pattern(5000)), 'cp copies it')
  const to = await system.open(path('range'), O_RDWR | O_CREAT)
  await system.lseek(fd, 0, SEEK_SET)
  t.equal(await system.copyFileRange(fd, to, 700_000), 700_000)
  t.ok((await system.readFile(path('range'))).subarray(600_000, 605_000).equals(pattern(5000)))
  for (const open of [fd, to]) await system.close(open)
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
})

/** The file stays open, so nothing but the server has its pages written. */
async function endsWithDirtyPages(t: Test, signals: number): Promise<void> {
  const { mount, system, path } = await place(t)
  const fd = await system.open(path('held'), O_RDWR | O_CREAT)
  await system.pwrite(fd, pattern(2 ** 20), 0)
  const { pid } = await mount.report()
  for (let n = 0; n < signals; n++) {
    if (n > 0) await sleep(togetherMs)
    process.kill(pid, 'SIGTERM')
  }
  t.ok(await hasEnded(pid), 'the server ends')
  await outcome(system.close(fd))
  await mount.cutOff()
  await mount.mount(...writeback)
  t.ok((await system.readFile(path('held'))).equals(pattern(2 ** 20)))
}

void tap.test('a signal to the server of a mount in use loses nothing', (t) => endsWithDirtyPages(t, 1))
void tap.test('nor do two that come together', (t) => endsWithDirtyPages(t, 2))

void tap.test('an append-only file gathers appends, and no stores of mappings', async (t) => {
  const here = await place(t)
  const { mount, system, path } = here
  const log = path('log')
  await system.writeFile(log, pattern(5000))
  await setFlags(system, log, fl.append)
  const fd = await system.open(log, O_RDWR | O_APPEND)
  for (let n = 0; n < 40; n++) await system.write(fd, pattern(100, n))
  await system.fsync(fd)
  const map = await system.map(fd, 8192)
  await system.mapWrite(map, 10, Buffer.from('changed'))
  await system.mapWrite(map, 8000, Buffer.from('changed'))
  t.not(await outcome(system.fsync(fd)), 'OK', 'whoever has stored hears of it')
  const other = await system.open(log, O_WRONLY | O_APPEND)
  await system.write(other, pattern(3000, 100))
  await outcome(system.fsync(other))
  await outcome(system.unmap(map))
  for (const open of [fd, other]) await outcome(system.close(open))
  await mount.remount(...writeback)
  const appended = Array.from({ length: 40 }, (_, n) => pattern(100, n))
  const whole = Buffer.concat([pattern(5000), ...appended, pattern(3000, 100)])
  t.ok((await system.readFile(log)).equals(whole), 'it has what was written and appended, and nothing else')
  await setFlags(system, log, 0)
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
})
