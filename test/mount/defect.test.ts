// SPDX-License-Identifier: GPL-2.0-only
/**
 * A worker that fails takes its mount with it, and nothing else: no program waits for ever, no mount stays behind that
 * nobody serves, and the device is left as after a loss of power.
 */
import { join } from 'node:path'
import tap from 'tap'
import { marks } from '../support/defect-marks.js'
import { ForegroundServer } from '../support/foreground-server.js'
import { System, outcome } from '../support/system.js'
import { TestMount, hasEnded, plantDefect, succeed } from '../support/test-mount.js'

tap.setTimeout(120_000)

async function defectiveMount(t: Parameters<typeof TestMount.make>[0]): Promise<[TestMount, System]> {
  const mount = await TestMount.mounted(t, '16M')
  const system = await System.start()
  t.teardown(() => system.stop())
  await system.writeFile(join(mount.mountpoint, 'whole'), 'contents')
  await system.writeFile(join(mount.mountpoint, 'marked'), 'contents')
  await system.chown(join(mount.mountpoint, 'marked'), marks.uid, marks.gid)
  await mount.unmount()
  plantDefect(t)
  return [mount, system]
}

void tap.test('in the foreground', async (t) => {
  const [mount, system] = await defectiveMount(t)
  const server = await ForegroundServer.start(mount, '-f')
  await system.chdir(mount.mountpoint)
  t.not(await outcome(system.readFile('marked')), 'OK', 'the program that met it hears of it')
  t.equal(await server.ended(), 4, 'it ends as a program with a bug')
  t.match(server.output, /^mount: this is a bug in .*: a worker failed, and the mount with it: /m)
  t.notOk(mount.isMounted(), 'no mount is left, though it was in use')
  t.equal(await outcome(system.stat('whole')), 'ENOTCONN')
  const { state } = JSON.parse(await succeed('info', mount.device, '--json')) as { state: string }
  t.equal(state, 'dirty', 'nobody says that it was left in order')

  await mount.mount()
  t.equal((await system.readFile(join(mount.mountpoint, 'whole'))).toString(), 'contents')
})

void tap.test('in the background', async (t) => {
  const [mount, system] = await defectiveMount(t)
  await mount.mount()
  const { pid } = await mount.report()
  t.not(await outcome(system.readFile(join(mount.mountpoint, 'marked'))), 'OK')
  t.ok(await hasEnded(pid), 'the server ends')
  t.notOk(mount.isMounted())
})
