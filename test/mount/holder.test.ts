// SPDX-License-Identifier: GPL-2.0-only
/** Who holds a device: a server whose mount one sees, and one whose mount is in another namespace. */
import { basename } from 'node:path'
import tap from 'tap'
import { findHolder, holderText, releaseAdvice } from '../../src/daemon/holder.js'
import { withOwnMounts } from '../support/own-mounts.js'
import { run, withoutRunner } from '../support/run-command.js'
import { TestMount, hasEnded, pmfs2, program, until } from '../support/test-mount.js'

tap.setTimeout(300_000)

void tap.test('a mount that one sees', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const { pid } = await mount.report()
  const holder = findHolder(mount.device)
  t.match(holder, { pid, mountpoints: [mount.mountpoint], elsewhere: [] })
  t.equal(holderText(holder!), `process ${pid}, which serves it at ${mount.mountpoint}`)
  t.equal(releaseAdvice(holder!), `pmfs2-fuse umount ${mount.mountpoint}`)
  await mount.unmount()
  t.equal(findHolder(mount.device), null, 'nobody holds it any more')
  t.equal(findHolder(`${mount.device} that is not there`), null)
})

void tap.test('a mount in another mount namespace, whose other programs have ended', async (t) => {
  const mount = await TestMount.make(t, '16M')
  const { device, mountpoint } = mount
  await run('env', [...withoutRunner, ...withOwnMounts('', [process.execPath, program, device, mountpoint])])
  const holder = findHolder(device)
  t.match(holder, { mountpoints: [], elsewhere: [mountpoint] })
  const { pid } = holder!
  t.teardown(async () => {
    if (!(await hasEnded(pid, 0))) process.kill(pid, 'SIGKILL')
  })
  const where = `process ${pid}, which serves it at ${mountpoint} in another mount namespace`
  const advice = `nsenter --target ${pid} --mount umount ${mountpoint}, or kill ${pid}`
  t.equal(holderText(holder!), where)
  t.equal(releaseAdvice(holder!), advice)

  const { end, output } = await pmfs2(['umount', device])
  t.equal(end, 32)
  t.equal(output, `umount: ${device}: not mounted here; it is in use by ${where}: ${advice}`)
  const atPlace = await pmfs2(['umount', mountpoint])
  t.equal(atPlace.output, `umount: ${mountpoint}: not mounted`)

  await run('sh', ['-c', advice.slice(advice.lastIndexOf('kill'))])
  t.ok(await hasEnded(pid), 'it ends')
  t.ok(await until(() => Promise.resolve(findHolder(device) === null)))
  t.match(await mount.check(), new RegExp(`${basename(device)}: clean`), 'in order')
  t.match((await pmfs2(['info', device])).output, /state +clean/)
})
