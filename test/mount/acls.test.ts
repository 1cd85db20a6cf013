// SPDX-License-Identifier: GPL-2.0-only
/**
 * POSIX ACLs on a mount: what they cost in requests, -o noacl, and mounts by fusermount3. The kernel asks for the ACL
 * of an inode before it decides about anybody but its owner, and keeps it until it asks for the inode's attributes.
 */
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { ALICE } from '../posix/fixture.js'
import { aclBytes, aclText } from '../support/acl-text.js'
import { type Counts, requestCost } from '../support/request-cost.js'
import { run } from '../support/run-command.js'
import { System, outcome } from '../support/system.js'
import { TestMount } from '../support/test-mount.js'

tap.setTimeout(300_000)

const ACCESS = 'system.posix_acl_access'
const DEFAULT = 'system.posix_acl_default'
const acl = `u::rwx,u:${ALICE.uid}:r-x,g::---,m::r-x,o::---`

async function actors(t: Test): Promise<readonly [root: System, alice: System]> {
  const systems = [await System.start(), await System.start(ALICE)] as const
  for (const system of systems) t.teardown(() => system.stop())
  return systems
}

void tap.test('what ACLs cost others than the owner', async (t) => {
  const mount = await TestMount.mounted(t, '64M', '--channel', 'devfuse')
  const [root, alice] = await actors(t)
  const start = join(mount.mountpoint, 'start')
  for (const name of ['start', 'start/a', 'start/a/b', 'start/hers'])
    await root.mkdir(`${mount.mountpoint}/${name}`)
  await root.chown(`${start}/hers`, ALICE.uid, ALICE.gid)
  await root.writeFile(`${start}/a/b/file`, 'contents')
  await root.writeFile(`${start}/a/b/program`, '#!/bin/true\n')
  await root.chmod(`${start}/a/b/program`, 0o755)
  await root.readFile(`${start}/a/b/program`)
  // Known names, and no ACL asked for yet. Linux does not keep that of the mount's root directory, so paths start
  // below.
  await root.chdir(start)
  await alice.chdir(start)
  const cost = (action: () => Promise<unknown>): Promise<Counts> => requestCost(mount, action)
  const open = async (system: System): Promise<void> => system.close(await system.open('a/b/file', 0))
  const same = async (what: string, expected: Counts, action: () => Promise<unknown>): Promise<void> => {
    t.same(await cost(action), expected, what)
  }

  await root.stat('a/b/file')
  await same('the owner of a directory is not looked for in its ACL', {}, () => root.stat('a/b/file'))
  await same('a walk: each directory once', { GETXATTR: 2 }, () => alice.stat('a/b/file'))
  await same('and again', {}, () => alice.stat('a/b/file'))
  await same('an open', { GETXATTR: 1 }, () => open(alice))
  await same('and again', {}, () => open(alice))
  await same('the owner opens', {}, () => open(root))

  // One of these is for security.capability, and the owner's.
  await same('a write leaves what is known', { GETXATTR: 1, WRITE: 1 }, async () => {
    const fd = await root.open('a/b/file', 1)
    await root.pwrite(fd, Buffer.from('x'), 0)
    await root.close(fd)
  })
  await same('an open', {}, () => open(alice))
  await same('a stat asks for the attributes', { GETATTR: 1 }, () => alice.stat('a/b/file'))
  await same('after which the ACL is asked for again', { GETXATTR: 1 }, () => open(alice))
  await root.mkdir('a/b/new')
  await same('in a directory that has changed', { GETATTR: 1, GETXATTR: 1 }, () => alice.stat('a/b/file'))
  await same('chmod, which changes the ACL as well', { SETATTR: 1 }, () => root.chmod('a/b/file', 0o644))
  await same('an open', { GETXATTR: 1 }, () => open(alice))
  await same('setting an ACL', { SETXATTR: 1 }, () => root.setxattr('a/b/file', ACCESS, aclBytes(acl)))
  await same('reading it', { GETXATTR: 1 }, () => root.getxattr('a/b/file', ACCESS))
  await same('and again', {}, () => root.getxattr('a/b/file', ACCESS))

  const first = await cost(() => alice.run('a/b/program'))
  const again = await cost(() => alice.run('a/b/program'))
  const owner = await cost(() => root.run('a/b/program'))
  t.equal((first['GETXATTR'] ?? 0) - (again['GETXATTR'] ?? 0), 1, 'exec asks for the ACL once')
  t.same(again, owner, 'and then for no more than the owner’s')

  await alice.chdir('hers')
  await same('in a directory of her own', { LOOKUP: 1, MKNOD: 1 }, () => alice.mknod('mine', 0o100644))
  await alice.chdir(start)

  for (const path of [mount.mountpoint, '/..']) t.type(await alice.stat(path), 'object')
  await alice.stat(`${start}/a/b/file`)
  const absolute = await cost(() => alice.stat(`${start}/a/b/file`))
  t.ok((absolute['GETXATTR'] ?? 0) <= 1, 'the root directory costs one request at the most')
  t.same(
    Object.keys(absolute).filter((name) => name !== 'GETXATTR'),
    [],
  )
})

void tap.test('noacl', async (t) => {
  const mount = await TestMount.mounted(t, '16M')
  const [root, alice] = await actors(t)
  const file = `${mount.mountpoint}/file`
  const directory = `${mount.mountpoint}/directory`
  await root.writeFile(file, 'contents')
  await root.mkdir(directory)
  await root.setxattr(file, ACCESS, aclBytes(acl))
  await root.setxattr(directory, DEFAULT, aclBytes(acl))
  t.equal((await alice.readFile(file)).toString(), 'contents', 'an ACL lets her in')

  await mount.remount('-o', 'noacl')
  t.equal(await outcome(alice.readFile(file)), 'EACCES', 'an ACL lets nobody in')
  await root.chmod(file, 0o640)
  for (const name of [ACCESS, DEFAULT]) {
    t.equal(await outcome(root.getxattr(directory, name)), 'EOPNOTSUPP')
    t.equal(await outcome(root.setxattr(directory, name, aclBytes(acl))), 'EOPNOTSUPP')
    t.equal(await outcome(root.removexattr(directory, name)), 'EOPNOTSUPP')
  }
  t.same(await root.listxattr(directory), [])
  await root.umask(0o027)
  await root.writeFile(`${directory}/new`, '')
  t.equal((await root.stat(`${directory}/new`)).mode, 0o100640, 'the umask counts')
  const asked = await requestCost(mount, () => alice.stat(`${directory}/new`))
  t.notOk('GETXATTR' in asked, 'and no ACL is asked for')
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)

  await mount.mount()
  t.equal(
    aclText(await root.getxattr(file, ACCESS)),
    acl.replace('u::rwx', 'u::rw-').replace('m::r-x', 'm::r--'),
  )
  t.equal((await alice.readFile(file)).toString(), 'contents')
  await run('getfacl', ['-p', file])
})
