// SPDX-License-Identifier: GPL-2.0-only
/** POSIX ACLs (acl(5)): who is let in, the mode beside them, what inherits them, and programs that carry them. */
import { constants } from 'node:fs'
import { test } from 'tap'
import { aclBytes, aclText } from '../../support/acl-text.js'
import { O_TMPFILE, AT_SYMLINK_FOLLOW, type System, outcome } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { ALICE, BOB, SHARED_GROUP, actor, permissions, scratch, tick } from '../fixture.js'

const { O_CREAT, O_RDONLY, O_RDWR, O_WRONLY, S_IFIFO, S_IFSOCK, S_IFCHR } = constants

export const ACCESS = 'system.posix_acl_access'
export const DEFAULT = 'system.posix_acl_default'
const alice = ALICE.uid
const bob = BOB.uid
const group = SHARED_GROUP

export function aclSuite(target: Target): void {
  accessSuite(target)
  refusalSuite(target)
  permissionSuite(target)
  inheritanceSuite(target)
  programSuite(target)
}

/** The ACL of a file as text; '' where it has none but its mode. */
async function aclOf(system: System, path: string, name = ACCESS): Promise<string> {
  const code = await outcome(system.getxattr(path, name))
  return code === 'ENODATA' ? '' : aclText(await system.getxattr(path, name))
}

function setAcl(system: System, path: string, text: string, name = ACCESS): Promise<void> {
  return system.setxattr(path, name, aclBytes(text))
}

async function modeOf(system: System, path: string): Promise<string> {
  return permissions((await system.lstat(path)).mode).toString(8)
}

function accessSuite(target: Target): void {
  const { system: sys } = target

  void test('an access ACL keeps its entries, and the mode shows its mask', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/file`, '')
    await sys.mkdir(`${d}/dir`)
    await sys.mkfifo(`${d}/fifo`)
    for (const path of ['file', 'dir', 'fifo'].map((name) => `${d}/${name}`)) {
      for (const [text, mode] of [
        [`u::rw-,u:${alice}:r-x,g::r--,m::rwx,o::---`, '670'],
        [`u::rwx,g::rwx,m::r--,o::--x`, '741'],
        [`u::r--,u:${alice}:---,u:${bob}:rwx,g::r--,g:${group}:rwx,m::rwx,o::rwx`, '477'],
      ] as const) {
        await setAcl(sys, path, text)
        t.equal(await aclOf(sys, path), text)
        t.equal(await modeOf(sys, path), mode)
        t.same(await sys.listxattr(path), [ACCESS])
      }
    }
  })

  void test('an ACL that says no more than a mode becomes the mode', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    await setAcl(sys, `${d}/a`, 'u::r-x,g::-w-,o::r--')
    t.equal(await modeOf(sys, `${d}/a`), '524')
    t.equal(await aclOf(sys, `${d}/a`), '')
    await setAcl(sys, `${d}/a`, `u::rw-,u:${alice}:r--,g::r--,m::r--,o::---`)
    await setAcl(sys, `${d}/a`, 'u::rwx,g::r-x,o::---')
    t.equal(await aclOf(sys, `${d}/a`), '', 'and takes the place of another')
    t.same(await sys.listxattr(`${d}/a`), [])
    t.equal(await modeOf(sys, `${d}/a`), '750')
  })

  void test('chmod changes the mask and leaves the group alone', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    const fd = await sys.open(`${d}/a`, O_RDWR)
    await setAcl(sys, `${d}/a`, `u::rw-,u:${alice}:rwx,g::r-x,g:${group}:rw-,m::rwx,o::---`)
    for (const [mode, text] of [
      [0o751, `u::rwx,u:${alice}:rwx,g::r-x,g:${group}:rw-,m::r-x,o::--x`],
      [0o4600, `u::rw-,u:${alice}:rwx,g::r-x,g:${group}:rw-,m::---,o::---`],
      [0o077, `u::---,u:${alice}:rwx,g::r-x,g:${group}:rw-,m::rwx,o::rwx`],
    ] as const) {
      await sys.chmod(`${d}/a`, mode)
      t.equal(await aclOf(sys, `${d}/a`), text)
      t.equal(await modeOf(sys, `${d}/a`), mode.toString(8))
      await sys.fchmod(fd, 0o640)
      t.equal(
        await aclOf(sys, `${d}/a`),
        `u::rw-,u:${alice}:rwx,g::r-x,g:${group}:rw-,m::r--,o::---`,
        'fchmod does so too',
      )
    }
    await sys.close(fd)
  })

  void test('what changes no permissions leaves the ACL alone', async (t) => {
    const d = await scratch(t, target)
    const text = `u::rwx,u:${alice}:rwx,g::r-x,m::rwx,o::---`
    await sys.writeFile(`${d}/a`, 'content')
    await setAcl(sys, `${d}/a`, text)
    await sys.truncate(`${d}/a`, 3)
    await sys.chown(`${d}/a`, bob, BOB.gid)
    await sys.link(`${d}/a`, `${d}/b`)
    await sys.rename(`${d}/a`, `${d}/c`)
    for (const name of ['b', 'c']) {
      t.equal(await aclOf(sys, `${d}/${name}`), text)
      t.equal(await modeOf(sys, `${d}/${name}`), '770')
    }
    await sys.writeFile(`${d}/a`, '')
    t.equal(await aclOf(sys, `${d}/a`), '', 'a new file of the name has none')
  })

  void test('clearing set-ID bits leaves the ACL alone', async (t) => {
    const d = await scratch(t, target)
    const other = await actor(t, ALICE)
    const text = `u::rwx,u:${alice}:rwx,g::r-x,m::rwx,o::---`
    await sys.writeFile(`${d}/a`, 'content')
    await setAcl(sys, `${d}/a`, text)
    await sys.chmod(`${d}/a`, 0o6770)
    const fd = await other.open(`${d}/a`, O_WRONLY)
    await other.write(fd, Buffer.from('x'))
    await other.close(fd)
    t.equal(await modeOf(sys, `${d}/a`), '770')
    t.equal(await aclOf(sys, `${d}/a`), text)
  })

  void test('an ACL moves ctime alone', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    const changes: readonly (() => Promise<void>)[] = [
      () => setAcl(sys, `${d}/a`, `u::rw-,u:${alice}:r--,g::r--,m::r--,o::---`),
      () => setAcl(sys, `${d}/a`, `u::rw-,u:${bob}:r--,g::r--,m::r--,o::---`),
      () => sys.removexattr(`${d}/a`, ACCESS),
      () => setAcl(sys, `${d}/a`, 'u::rwx,g::r--,o::---'),
    ]
    for (const change of changes) {
      const before = await sys.stat(`${d}/a`)
      await tick()
      await change()
      const after = await sys.stat(`${d}/a`)
      t.ok(after.ctimeNs > before.ctimeNs)
      t.equal(after.mtimeNs, before.mtimeNs)
      t.equal(after.atimeNs, before.atimeNs)
    }
  })

  void test('an ACL that is removed leaves the mode as it is', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/dir`)
    await setAcl(sys, `${d}/dir`, `u::rwx,u:${alice}:rwx,g::r-x,m::rwx,o::---`)
    await setAcl(sys, `${d}/dir`, 'u::rwx,g::r-x,o::---', DEFAULT)
    t.same([...(await sys.listxattr(`${d}/dir`))].sort(), [ACCESS, DEFAULT])
    await sys.removexattr(`${d}/dir`, ACCESS)
    t.equal(await aclOf(sys, `${d}/dir`), '')
    t.equal(await modeOf(sys, `${d}/dir`), '770')
    t.equal(await outcome(sys.removexattr(`${d}/dir`, ACCESS)), 'OK', 'one that is not there may be removed')
    t.equal(await aclOf(sys, `${d}/dir`, DEFAULT), 'u::rwx,g::r-x,o::---', 'a minimal default ACL is kept')
    await setAcl(sys, `${d}/dir`, '', DEFAULT)
    t.equal(await aclOf(sys, `${d}/dir`, DEFAULT), '', 'to set an empty one is to remove it')
    t.equal(await outcome(sys.removexattr(`${d}/dir`, DEFAULT)), 'OK')
    t.same(await sys.listxattr(`${d}/dir`), [])
  })

  void test('an ACL of many entries', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/dir`)
    const users = Array.from({ length: 200 }, (_, n) => `u:${30000 + n}:r-x`)
    const text = ['u::rwx', ...users, 'g::r-x', 'm::rwx', 'o::---'].join()
    for (const name of [ACCESS, DEFAULT]) {
      await setAcl(sys, `${d}/dir`, text, name)
      t.equal(await aclOf(sys, `${d}/dir`, name), text)
    }
    await sys.chmod(`${d}/dir`, 0o750)
    t.equal(await aclOf(sys, `${d}/dir`), text.replace('m::rwx', 'm::r-x'))
    await sys.writeFile(`${d}/dir/a`, '')
    t.equal(
      await aclOf(sys, `${d}/dir/a`),
      text.replace('u::rwx', 'u::rw-').replace('m::rwx', 'm::rw-'),
      'is inherited too',
    )
    await sys.mkdir(`${d}/dir/sub`)
    t.equal(await aclOf(sys, `${d}/dir/sub`, DEFAULT), text)
  })
}

function refusalSuite(target: Target): void {
  const { system: sys } = target

  void test('what is no ACL, and what can have none, is refused', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/file`, '')
    await sys.mkdir(`${d}/dir`)
    const right = `u::rw-,u:${alice}:r--,g::r--,m::r--,o::---`
    for (const text of ['u::rw-,o::---', right.replace('m::r--,', ''), `u::rw-,${right}`])
      t.equal(await outcome(setAcl(sys, `${d}/file`, text)), 'EINVAL', text)
    const old = aclBytes(right)
    old.writeUInt32LE(1, 0)
    t.equal(await outcome(sys.setxattr(`${d}/file`, ACCESS, old)), 'EOPNOTSUPP', 'another version')
    for (const length of [3, 9, 35])
      t.equal(await outcome(sys.setxattr(`${d}/file`, ACCESS, aclBytes(right).subarray(0, length))), 'EINVAL')
    t.equal(await outcome(sys.getxattr(`${d}/file`, ACCESS)), 'ENODATA')
    t.equal(await outcome(sys.getxattr(`${d}/file`, DEFAULT)), 'ENODATA')
    t.equal(await outcome(sys.getxattr(`${d}/dir`, DEFAULT)), 'ENODATA')
    t.equal(
      await outcome(setAcl(sys, `${d}/file`, right, DEFAULT)),
      'EACCES',
      'only directories have a default',
    )
    t.equal(await outcome(sys.removexattr(`${d}/file`, DEFAULT)), 'OK')
    t.equal(await modeOf(sys, `${d}/file`), '644', 'none of this has changed the mode')
  })

  void test('a symbolic link has no ACL', async (t) => {
    const d = await scratch(t, target)
    await sys.symlink('nowhere', `${d}/link`)
    const right = aclBytes(`u::rw-,u:${alice}:r--,g::r--,m::r--,o::---`)
    for (const name of [ACCESS, DEFAULT]) {
      t.equal(await outcome(sys.lsetxattr(`${d}/link`, name, right)), 'EOPNOTSUPP')
      t.equal(await outcome(sys.lgetxattr(`${d}/link`, name)), 'EOPNOTSUPP')
      t.equal(await outcome(sys.lremovexattr(`${d}/link`, name)), 'EOPNOTSUPP')
    }
  })

  void test('only the owner changes an ACL, and everybody reads it', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    await sys.chown(`${d}/a`, alice, ALICE.gid)
    const text = `u::rw-,u:${bob}:rwx,g::r--,m::rwx,o::---`
    const owner = await actor(t, ALICE)
    const other = await actor(t, BOB)
    t.equal(await outcome(setAcl(other, `${d}/a`, text)), 'EPERM')
    t.equal(await outcome(setAcl(owner, `${d}/a`, text)), 'OK')
    t.equal(await outcome(setAcl(other, `${d}/a`, text)), 'EPERM', 'whatever the ACL lets him do')
    t.equal(await outcome(other.removexattr(`${d}/a`, ACCESS)), 'EPERM')
    t.equal(await aclOf(other, `${d}/a`), text)
  })

  void test('who is not in the group loses set-group-ID with setting an access ACL', async (t) => {
    const d = await scratch(t, target)
    const owner = await actor(t, ALICE)
    const right = `u::rwx,u:${bob}:r--,g::r-x,m::r-x,o::---`
    for (const [name, gid, kept] of [
      ['stranger', BOB.gid, '750'],
      ['own', ALICE.gid, '2750'],
      ['member', SHARED_GROUP, '2750'],
    ] as const) {
      for (const [acl, what] of [
        [right, 'an ACL'],
        ['u::rwx,g::r-x,o::---', 'a minimal ACL'],
      ] as const) {
        const path = `${d}/${name}-${acl.length}`
        await sys.writeFile(path, '')
        await sys.chown(path, alice, gid)
        await sys.chmod(path, 0o2750)
        await setAcl(owner, path, acl)
        t.equal(await modeOf(sys, path), kept, `${name}: ${what}`)
        await sys.chmod(path, 0o2750)
        await setAcl(sys, path, acl)
        t.equal(await modeOf(sys, path), '2750', 'root may keep it')
      }
    }
    await sys.mkdir(`${d}/dir`)
    await sys.chown(`${d}/dir`, alice, BOB.gid)
    await sys.chmod(`${d}/dir`, 0o2750)
    await setAcl(owner, `${d}/dir`, right, DEFAULT)
    t.equal(await modeOf(sys, `${d}/dir`), '2750', 'a default ACL takes nothing')
    await setAcl(owner, `${d}/dir`, right)
    t.equal(await modeOf(sys, `${d}/dir`), '750')
  })
}

function permissionSuite(target: Target): void {
  const { system: sys } = target

  void test('named users and groups are let in as far as the mask goes', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'content')
    const user = await actor(t, ALICE)
    for (const [acl, read, write] of [
      ['u::rwx,g::rwx,m::rwx,o::---', false, false],
      [`u::---,u:${alice}:rw-,g::---,m::rwx,o::---`, true, true],
      [`u::---,u:${alice}:rw-,g::---,m::r--,o::---`, true, false],
      [`u::---,u:${alice}:rw-,g::---,m::---,o::---`, false, false],
      [`u::rwx,u:${alice}:---,g::rwx,g:${group}:rwx,m::rwx,o::rwx`, false, false],
      [`u::rwx,u:${bob}:rwx,g::rwx,m::rwx,o::r--`, true, false],
      [`u::---,g::---,g:${group}:-w-,m::rwx,o::r--`, false, true],
      [`u::---,g::---,g:${group}:rw-,m::-w-,o::r--`, false, true],
      [`u::---,g::---,g:${group}:r--,g:${ALICE.gid}:-w-,m::rwx,o::---`, true, true],
      [`u::rwx,g::rwx,g:${BOB.gid}:rwx,m::rwx,o::---`, false, false],
    ] as const) {
      await setAcl(sys, `${d}/a`, acl)
      t.equal(await outcome(user.open(`${d}/a`, O_RDONLY)), read ? 'OK' : 'EACCES', `${acl}: read`)
      t.equal(await outcome(user.open(`${d}/a`, O_WRONLY)), write ? 'OK' : 'EACCES', `${acl}: write`)
    }
  })

  void test('the group class: its owner, its members and the mask', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'content')
    await sys.chown(`${d}/a`, bob, group)
    const user = await actor(t, ALICE)
    const read = () => outcome(user.open(`${d}/a`, O_RDONLY))
    await setAcl(sys, `${d}/a`, `u::---,g::r--,m::r--,o::---`)
    t.equal(await read(), 'OK')
    await sys.chmod(`${d}/a`, 0o700)
    t.equal(await read(), 'EACCES', 'chmod takes it from the mask')
    await sys.chmod(`${d}/a`, 0o040)
    t.equal(await read(), 'OK', 'and gives it back')
    await setAcl(sys, `${d}/a`, `u::---,u:${alice}:---,g::r--,m::r--,o::r--`)
    t.equal(await read(), 'EACCES', 'a named user is looked for first')
    await sys.removexattr(`${d}/a`, ACCESS)
    t.equal(await read(), 'OK', 'what is removed is not looked at')
    await sys.chown(`${d}/a`, alice, group)
    await setAcl(sys, `${d}/a`, `u::---,u:${alice}:rwx,g::rwx,m::rwx,o::rwx`)
    t.equal(await read(), 'EACCES', 'and the owner before all')
  })

  void test('directories: listing, passing and changing', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/dir`)
    await sys.chmod(`${d}/dir`, 0o700)
    await sys.writeFile(`${d}/dir/a`, 'content')
    const user = await actor(t, ALICE)
    const tries = async (): Promise<readonly string[]> => [
      await outcome(user.stat(`${d}/dir/a`)),
      await outcome(user.list(`${d}/dir`)),
      await outcome(user.mkdir(`${d}/dir/new`)),
    ]
    t.same(await tries(), ['EACCES', 'EACCES', 'EACCES'])
    for (const [permission, expected] of [
      ['--x', ['OK', 'EACCES', 'EACCES']],
      ['r--', ['EACCES', 'OK', 'EACCES']],
      ['r-x', ['OK', 'OK', 'EACCES']],
      ['-wx', ['OK', 'EACCES', 'OK']],
    ] as const) {
      await setAcl(sys, `${d}/dir`, `u::rwx,u:${alice}:${permission},g::---,m::rwx,o::---`)
      t.same(await tries(), expected, permission)
    }
    await sys.removexattr(`${d}/dir`, ACCESS)
    t.equal((await tries())[0], 'EACCES', 'and at once no more')
  })

  void test('programs run by an ACL', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/program`, '#!/bin/sh\necho ran\n')
    const user = await actor(t, ALICE)
    await setAcl(sys, `${d}/program`, `u::rwx,g::---,m::rwx,o::---`)
    t.not(await outcome(user.run(`${d}/program`)), 'OK')
    await setAcl(sys, `${d}/program`, `u::rwx,u:${alice}:r-x,g::---,m::rwx,o::---`)
    t.equal(await user.run(`${d}/program`), 'ran\n')
  })
}

function inheritanceSuite(target: Target): void {
  const { system: sys } = target

  /** A directory with a default ACL. */
  async function heritage(d: string, text: string): Promise<string> {
    const path = `${d}/heritage`
    if ((await outcome(sys.stat(path))) === 'OK') await sys.removeTree(path)
    await sys.mkdir(path)
    await setAcl(sys, path, text, DEFAULT)
    return path
  }

  void test('what is made gets the default ACL of its directory, and not the umask', async (t) => {
    const d = await scratch(t, target)
    const maker = await actor(t)
    await maker.umask(0o077)
    const makers: readonly (readonly [string, number, (path: string, mode: number) => Promise<unknown>])[] = [
      ['file', 0, async (path, mode) => maker.close(await maker.open(path, O_CREAT | O_WRONLY, mode))],
      ['nod', 0, (path, mode) => maker.mknod(path, constants.S_IFREG | mode)],
      ['fifo', 0, (path, mode) => maker.mknod(path, S_IFIFO | mode)],
      ['socket', 0, (path, mode) => maker.mknod(path, S_IFSOCK | mode)],
      ['device', 0, (path, mode) => maker.mknod(path, S_IFCHR | mode, 1, 3)],
      ['nameless', 0, (path, mode) => nameless(maker, path, mode)],
      ['directory', 1, (path, mode) => maker.mkdir(path, mode)],
    ]
    const full = `u::rwx,u:${alice}:r-x,g::r-x,g:${group}:rwx,m::rwx,o::r--`
    for (const [acl, mode, made, access] of [
      [full, 0o777, '774', full],
      [full, 0o666, '664', `u::rw-,u:${alice}:r-x,g::r-x,g:${group}:rwx,m::rw-,o::r--`],
      [full, 0o640, '640', `u::rw-,u:${alice}:r-x,g::r-x,g:${group}:rwx,m::r--,o::---`],
      [full, 0, '0', `u::---,u:${alice}:r-x,g::r-x,g:${group}:rwx,m::---,o::---`],
      ['u::rwx,g::r-x,o::r-x', 0o777, '755', ''],
      ['u::rwx,g::r-x,o::r-x', 0o666, '644', ''],
      ['u::rw-,g::rwx,m::r--,o::---', 0o666, '640', 'u::rw-,g::rwx,m::r--,o::---'],
    ] as const) {
      const parent = await heritage(d, acl)
      for (const [name, isDirectory, make] of makers) {
        const path = `${parent}/${name}`
        const what = `${name} of mode ${mode.toString(8)} under ${acl}`
        await make(path, mode)
        t.equal(await modeOf(sys, path), made, what)
        t.equal(await aclOf(sys, path), access, what)
        t.equal(await aclOf(sys, path, DEFAULT), isDirectory ? acl : '', what)
      }
    }
  })

  void test('without a default ACL the umask counts, also beside an access ACL', async (t) => {
    const d = await scratch(t, target)
    const maker = await actor(t)
    await maker.umask(0o027)
    await sys.mkdir(`${d}/dir`)
    await setAcl(sys, `${d}/dir`, `u::rwx,u:${alice}:rwx,g::rwx,m::rwx,o::rwx`)
    await maker.writeFile(`${d}/dir/file`, '')
    await maker.mkdir(`${d}/dir/sub`)
    await nameless(maker, `${d}/dir/nameless`, 0o666)
    for (const [name, mode] of [
      ['file', '640'],
      ['sub', '750'],
      ['nameless', '640'],
    ]) {
      t.equal(await modeOf(sys, `${d}/dir/${name}`), mode)
      t.same(await sys.listxattr(`${d}/dir/${name}`), [])
    }
    await setAcl(sys, `${d}/dir`, 'u::rwx,g::rwx,o::rwx', DEFAULT)
    await maker.writeFile(`${d}/dir/b`, '')
    t.equal(await modeOf(sys, `${d}/dir/b`), '666')
    await sys.removexattr(`${d}/dir`, DEFAULT)
    await maker.writeFile(`${d}/dir/c`, '')
    t.equal(await modeOf(sys, `${d}/dir/c`), '640', 'and again once it is removed')
  })

  void test('a symbolic link inherits nothing, nor does what is moved or linked', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    await sys.writeFile(`${d}/b`, '')
    const parent = await heritage(d, `u::rwx,u:${alice}:r-x,g::r-x,m::rwx,o::---`)
    await sys.symlink('nowhere', `${parent}/link`)
    t.equal(await modeOf(sys, `${parent}/link`), '777')
    t.same(await sys.llistxattr(`${parent}/link`), [])
    await sys.rename(`${d}/a`, `${parent}/a`)
    await sys.link(`${d}/b`, `${parent}/b`)
    for (const name of ['a', 'b']) {
      t.equal(await modeOf(sys, `${parent}/${name}`), '644')
      t.same(await sys.listxattr(`${parent}/${name}`), [])
    }
  })

  void test('a set-group-ID directory and its default ACL', async (t) => {
    const d = await scratch(t, target)
    const parent = await heritage(d, `u::rwx,u:${alice}:r-x,g::r-x,m::rwx,o::---`)
    await sys.chown(parent, 0, group)
    await sys.chmod(parent, 0o2755)
    await sys.mkdir(`${parent}/dir`)
    await sys.writeFile(`${parent}/file`, '')
    t.equal(await modeOf(sys, `${parent}/dir`), '2770')
    t.equal((await sys.stat(`${parent}/dir`)).gid, group)
    t.equal(await modeOf(sys, `${parent}/file`), '660')
    t.equal((await sys.stat(`${parent}/file`)).gid, group)
    await sys.mkdir(`${parent}/dir/below`)
    t.equal(
      await aclOf(sys, `${parent}/dir/below`),
      `u::rwx,u:${alice}:r-x,g::r-x,m::rwx,o::---`,
      'it reaches all levels',
    )
  })

  void test('other users make files by an inherited ACL', async (t) => {
    const d = await scratch(t, target)
    const acl = `u::rwx,u:${alice}:rwx,g::---,m::rwx,o::---`
    const parent = await heritage(d, acl)
    await setAcl(sys, parent, acl)
    const user = await actor(t, ALICE)
    const stranger = await actor(t, BOB)
    await user.mkdir(`${parent}/dir`)
    await user.writeFile(`${parent}/dir/a`, 'content')
    t.equal((await user.readFile(`${parent}/dir/a`)).toString(), 'content')
    t.equal(await outcome(stranger.stat(`${parent}/dir/a`)), 'EACCES')
    await sys.writeFile(`${parent}/dir/b`, 'content')
    await sys.chown(`${parent}/dir/b`, bob, BOB.gid)
    t.equal((await user.readFile(`${parent}/dir/b`)).toString(), 'content', 'what others make is let to her')
  })
}

/** Makes a file without a name, and gives it one. */
async function nameless(system: System, path: string, mode: number): Promise<void> {
  const folder = path.slice(0, path.lastIndexOf('/'))
  const fd = await system.open(folder, O_TMPFILE | O_RDWR, mode)
  await system.link(`/proc/self/fd/${fd}`, path, AT_SYMLINK_FOLLOW)
  await system.close(fd)
}

function programSuite(target: Target): void {
  const { system: sys } = target

  /** What getfacl(1) prints of a tree, without the way there, sorted by name. */
  const getfacl = async (path: string): Promise<readonly string[]> => {
    const printed = await sys.run('/usr/bin/getfacl', '-R', '-n', '-p', path)
    return printed.trim().replaceAll(path, '').split('\n\n').sort()
  }

  /** A tree with ACLs of all kinds. */
  async function tree(d: string): Promise<string> {
    const path = `${d}/tree`
    await sys.mkdir(path)
    await sys.run('/usr/bin/setfacl', '-m', `u:${alice}:rwx,d:u:${alice}:r-x,d:g:${group}:rwx`, path)
    await sys.mkdir(`${path}/dir`)
    await sys.writeFile(`${path}/dir/file`, 'content')
    await sys.writeFile(`${path}/plain`, 'content')
    await sys.run('/usr/bin/setfacl', '-b', `${path}/plain`)
    await sys.chmod(`${path}/plain`, 0o604)
    await sys.writeFile(`${path}/masked`, 'content')
    await sys.run('/usr/bin/setfacl', '-m', `u:${bob}:rwx,m::r-x`, `${path}/masked`)
    await sys.symlink('plain', `${path}/link`)
    await sys.mkdir(`${path}/closed`)
    await sys.run('/usr/bin/setfacl', '-b', `${path}/closed`)
    await sys.run('/usr/bin/setfacl', '-d', '-m', 'u::rwx,g::---,o::---', `${path}/closed`)
    return path
  }

  void test('setfacl and getfacl', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    const set = (...args: readonly string[]) => sys.run('/usr/bin/setfacl', ...args)
    const get = async () =>
      (await sys.run('/usr/bin/getfacl', '-c', '-n', '-p', '-E', `${d}/a`)).trim().split('\n').join()
    await set('-m', `u:${alice}:rw`, `${d}/a`)
    t.equal(await get(), `user::rw-,user:${alice}:rw-,group::r--,mask::rw-,other::r--`)
    await set('-n', '-m', `g:${group}:rwx`, `${d}/a`)
    t.equal(await get(), `user::rw-,user:${alice}:rw-,group::r--,group:${group}:rwx,mask::rw-,other::r--`)
    await set('-x', `u:${alice}`, `${d}/a`)
    t.equal(await get(), `user::rw-,group::r--,group:${group}:rwx,mask::rwx,other::r--`)
    await set('-b', `${d}/a`)
    t.equal(await get(), 'user::rw-,group::r--,other::r--')
    await set('--set', `u::r,g::-,o::-,u:${bob}:r`, `${d}/a`)
    t.equal(await get(), `user::r--,user:${bob}:r--,group::---,mask::r--,other::---`)
    t.equal(await modeOf(sys, `${d}/a`), '440')
  })

  void test('copies keep ACLs', async (t) => {
    const d = await scratch(t, target)
    const from = await tree(d)
    const expected = await getfacl(from)
    t.match(expected.join(), new RegExp(`default:user:${alice}:r-x`))
    const copies: readonly (readonly [string, (to: string) => Promise<unknown>])[] = [
      ['cp -a', (to) => sys.run('/bin/cp', '-a', from, to)],
      ['rsync -A', (to) => sys.run('/usr/bin/rsync', '-aA', `${from}/`, to)],
      ['tar', (to) => tarCopy('/bin/tar', 'posix', to)],
      ['bsdtar', (to) => tarCopy('/usr/bin/bsdtar', 'pax', to)],
      ['setfacl --restore', (to) => restored(to)],
    ]
    async function tarCopy(program: string, format: string, to: string): Promise<void> {
      await sys.mkdir(`${to}-parent`)
      await sys.run(program, '--acls', `--format=${format}`, '-C', d, '-cf', `${to}.tar`, 'tree')
      await sys.run(program, '--acls', '-C', `${to}-parent`, '-xpf', `${to}.tar`)
      await sys.rename(`${to}-parent/tree`, to)
    }
    async function restored(to: string): Promise<void> {
      await sys.run('/bin/cp', '-r', '-d', from, to)
      await sys.writeFile(
        `${d}/saved`,
        (await sys.run('/usr/bin/getfacl', '-R', '-p', from)).replaceAll(from, to),
      )
      await sys.run('/usr/bin/setfacl', `--restore=${d}/saved`)
    }
    for (const [what, copy] of copies) {
      const to = `${d}/${what.replaceAll(/[^a-z]/g, '-')}`
      await copy(to)
      t.same(await getfacl(to), expected, what)
    }
  })
}
