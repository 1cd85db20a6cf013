// SPDX-License-Identifier: GPL-2.0-only
/** The life of a mount with several workers: over io_uring, and over /dev/fuse as well. */
import { constants } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { marks } from '../support/defect-marks.js'
import { ForegroundServer } from '../support/foreground-server.js'
import { failing } from '../support/failing-mounts.js'
import { overRing, withRing } from '../support/ring-tests.js'
import { System, outcome } from '../support/system.js'
import { TestMount, hasEnded, plantDefect, pmfs2, succeed } from '../support/test-mount.js'

tap.setTimeout(300_000)

const { O_CREAT, O_RDWR } = constants

async function serveAll(t: Test): Promise<void> {
  const mount = await TestMount.make(t, '64M')
  const said = await mount.mount()
  t.notMatch(said, /dev.fuse/, 'nothing to say about the channel')
  const report = await mount.report()
  t.equal(report.channel, 'uring')
  t.equal(report.workers, availableParallelism())
  const system = await System.start()
  t.teardown(() => system.stop())
  // Data that begins and ends anywhere, over several requests.
  const data = Buffer.alloc(5_000_001, 'over and over ')
  const path = join(mount.mountpoint, 'file')
  await system.writeFile(path, data)
  t.ok(data.equals(await system.readFile(path)))
  const info = JSON.parse(await succeed('info', mount.mountpoint, '--json')) as {
    server: { channel: string }
  }
  t.equal(info.server.channel, 'uring')
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
}

function serve(
  name: string,
  channel: 'uring' | 'devfuse',
  workers: number,
  ...args: readonly string[]
): void {
  void tap.test(name, async (t) => {
    const mount = await TestMount.mounted(t, '64M', '--channel', channel, ...args)
    t.match(await mount.report(), { channel, workers })
    const systems = await Promise.all([System.start(), System.start(), System.start()])
    t.teardown(() => Promise.all(systems.map((system) => system.stop())))
    const names = await Promise.all(
      systems.map(async (system, n) => {
        for (let k = 0; k < 100; k++) {
          const path = join(mount.mountpoint, `${n}-${k}`)
          await system.writeFile(path, `contents ${n} ${k}`)
          if (k % 2 === 1) await system.unlink(path)
        }
        return Array.from({ length: 50 }, (_, k) => `${n}-${2 * k}`)
      }),
    )
    t.same((await systems[0].names(mount.mountpoint)).sort(), names.flat().sort())
    const text = (await systems[1].readFile(join(mount.mountpoint, '2-98'))).toString()
    t.equal(text, 'contents 2 98')
    await mount.unmount()
    t.match(await mount.check(), /: clean,/)
  })
}

async function endInUse(t: Test): Promise<void> {
  const mount = await TestMount.mounted(t, '64M', ...overRing)
  const system = await System.start()
  t.teardown(() => system.stop())
  const fd = await system.open(join(mount.mountpoint, 'file'), O_RDWR | O_CREAT)
  const { pid } = await mount.report()
  process.kill(pid, 'SIGTERM')
  t.ok(await hasEnded(pid), 'the server ends')
  t.notOk(mount.isMounted())
  t.not(await outcome(system.write(fd, Buffer.from('more'))), 'OK', 'programs hear of it')
  t.match(await mount.check(), /: clean,/)
}

async function failInUse(t: Test): Promise<void> {
  const mount = await TestMount.mounted(t, '64M', ...overRing)
  const system = await System.start()
  t.teardown(() => system.stop())
  const path = join(mount.mountpoint, 'marked')
  await system.writeFile(path, 'contents')
  await system.chown(path, marks.uid, marks.gid)
  await mount.unmount()
  plantDefect(t)
  const server = await ForegroundServer.start(mount, '-f', ...overRing)
  t.not(await outcome(system.readFile(path)), 'OK', 'the program that met it hears of it')
  t.equal(await server.ended(), 4)
  t.match(server.output, /a worker failed, and the mount with it: /)
  t.equal(await outcome(system.stat(path)), 'ENOTCONN', 'the mount stays, and is dead')
}

failing('/dev/fuse', 'devfuse')
serve('several workers over /dev/fuse', 'devfuse', 3, '--workers', '3')

await withRing(tap, () => {
  void tap.test('a worker for every processor', serveAll)
  serve('one worker for all queues', 'uring', 1, '--workers', '1')
  serve('workers on a processor', 'uring', 1, '--cpus', '0')
  void tap.test('SIGTERM while it is in use', endInUse)
  void tap.test('a worker that fails takes the others with it', failInUse)
  failing('the ring', 'uring')
})

void tap.test('numbers that make no sense', async (t) => {
  for (const args of [
    ['--workers', '0'],
    ['--workers', '257'],
    ['--workers', 'many'],
    ['--poll', '-1'],
    ['--poll', 'often'],
    ['--poll', '1000000'],
    ['--channel', 'telegraph'],
  ]) {
    const { end, output } = await pmfs2(['/dev/null', '/mnt', ...args])
    t.equal(end, 1, args.join(' '))
    t.ok(output.includes(args[1]!), output)
  }
})
