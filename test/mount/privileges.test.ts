// SPDX-License-Identifier: GPL-2.0-only
/**
 * Set-ID bits where the page cache is out of the way (-o direct_io), where the kernel sends a WRITE, or an OPEN that
 * truncates, with nothing before it; what is left on the medium; and what a set-ID file costs in requests.
 */
import { constants } from 'node:fs'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { actor, ALICE, BOB, permissions } from '../posix/fixture.js'
import { privilegesSuite } from '../posix/suites/privileges.js'
import { requestCost } from '../support/request-cost.js'
import { turnRingOn } from '../support/ring-switch.js'
import { System } from '../support/system.js'
import { mountOverEach } from '../support/target.js'
import { TestMount } from '../support/test-mount.js'

tap.setTimeout(300_000)

const { O_RDONLY, O_WRONLY, O_APPEND, O_TRUNC } = constants

async function keepOnMedium(t: Test, ...options: readonly string[]): Promise<void> {
  const mount = await TestMount.mounted(t, '64M', ...options)
  const modes = { append: 0o777, truncate: 0o777, chown: 0o777, refused: 0o4777 }
  const places = Object.entries(modes).map(([name, mode]) => [join(mount.mountpoint, name), mode] as const)
  const [append, truncate, chown, refused] = places.map(([path]) => path) as [string, string, string, string]
  {
    const [sys, bob] = [await System.start(), await actor(t, BOB)]
    for (const [path] of places) {
      await sys.writeFile(path, 'content')
      await sys.chmod(path, 0o4777)
    }
    await bob.write(await bob.open(append, O_WRONLY | O_APPEND), Buffer.from('x'))
    await bob.open(truncate, O_WRONLY | O_TRUNC)
    await sys.chown(chown, -1, -1)
    await t.rejects(bob.chown(refused, -1, -1), { code: 'EPERM' })
    await sys.stop()
    await bob.stop()
  }
  await mount.remount(...options)
  const sys = await actor(t)
  for (const [path, mode] of places) t.equal(permissions((await sys.stat(path)).mode), mode, path)
  await sys.stop()
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
}

/** The kernel has to ask for the mode of a set-ID file; once the bits are gone, it asks no more. */
async function askForModes(t: Test, channel: string): Promise<void> {
  // What extended attributes and ACLs cost stands in other tests.
  const mount = await TestMount.mounted(t, '64M', '--channel', channel, '-o', 'noxattr')
  const [sys, bob] = [await actor(t), await actor(t, BOB)]
  const path = join(mount.mountpoint, 'file')
  await sys.writeFile(path, 'content')
  await sys.chown(path, ALICE.uid, ALICE.gid)
  await sys.chmod(path, 0o4777)
  const stat = () => sys.stat(path)
  t.same(await requestCost(mount, stat), { GETATTR: 1 }, 'stat of a set-ID file')
  t.same(await requestCost(mount, stat), { GETATTR: 1 }, 'each time')
  const open = async () => sys.close(await sys.open(path, O_RDONLY))
  t.same(await requestCost(mount, open), { GETATTR: 1 }, 'open and close')
  const fd = await bob.open(path, O_WRONLY)
  const write = () => bob.pwrite(fd, Buffer.from('x'), 0)
  t.same(await requestCost(mount, write), { SETATTR: 1, WRITE: 1 }, 'a write that takes the bits')
  t.same(
    await requestCost(mount, write),
    { SETATTR: 1, WRITE: 1 },
    'the next one, whose SETATTR tells the mode',
  )
  t.same(await requestCost(mount, write), { WRITE: 1 }, 'and all that follow')
  await stat()
  t.same(await requestCost(mount, stat), {}, 'stat of what is no set-ID file any more')
}

const channels = turnRingOn(tap) === 'uring' ? ['devfuse', 'uring'] : ['devfuse']
for (const target of await mountOverEach(tap, channels, '-o', 'direct_io')) privilegesSuite(target)
for (const channel of channels) {
  const options = ['--channel', channel]
  void tap.test(`the medium, ${channel}`, (t) => keepOnMedium(t, ...options))
  void tap.test(`the medium, ${channel}, direct_io`, (t) => keepOnMedium(t, ...options, '-o', 'direct_io'))
  void tap.test(`requests, ${channel}`, (t) => askForModes(t, channel))
}
