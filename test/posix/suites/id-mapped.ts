// SPDX-License-Identifier: GPL-2.0-only
/**
 * Id-mapped mounts (mount_setattr(2)): a directory is there twice, as it is and through a mount by which ids from 0 on
 * are those from `first` on. Who has these makes, changes and guards files as if they had the others.
 */
import { constants } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { aclBytes, aclText } from '../../support/acl-text.js'
import { fl, getFlags, setFlags } from '../../support/inode-flags.js'
import { packageRoot } from '../../support/program.js'
import { finish, run } from '../../support/run-command.js'
import {
  AT_SYMLINK_FOLLOW,
  FALLOC_FL_KEEP_SIZE,
  O_TMPFILE,
  RENAME_WHITEOUT,
  System,
  type Identity,
  outcome,
} from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { ALICE, BOB, actor, permissions, scratch } from '../fixture.js'
import { ACCESS, DEFAULT } from './acl.js'

const { O_RDONLY, O_RDWR, O_WRONLY, O_APPEND, O_CREAT, O_TRUNC, S_IFCHR, S_IFREG } = constants

const mounter = join(packageRoot, 'test', 'support', 'id-mapped-mount.py')
const first = 100_000
const count = 65_536
const mounting = (plain: string, through: string): string[] => [
  mounter,
  plain,
  through,
  String(first),
  String(count),
]
/** Who nobody is, to whom an owner is shown that the mapping leaves out. */
const overflowId = 65_534
/** Of Alice and Bob, whom the mapping leaves out as they are. */
const mapped = ({ uid, gid, groups }: Identity): Identity => ({
  uid: first + uid,
  gid: first + gid,
  groups: groups.map((group) => first + group),
})

/** Ways to change a file that is open for writing. */
const changes: readonly (readonly [string, (who: System, fd: number, path: string) => Promise<unknown>])[] = [
  ['write', (who, fd) => who.pwrite(fd, Buffer.from('x'), 0)],
  ['truncate', (who, _fd, path) => who.truncate(path, 3)],
  ['ftruncate', (who, fd) => who.ftruncate(fd, 4)],
  ['open with O_TRUNC', async (who, _fd, path) => who.close(await who.open(path, O_WRONLY | O_TRUNC))],
  ['fallocate', (who, fd) => who.fallocate(fd, 0, 0, 10_000)],
  ['fallocate that keeps the size', (who, fd) => who.fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 50_000)],
  ['copy_file_range', copyByte],
]

async function copyByte(who: System, fd: number, path: string): Promise<void> {
  const from = await who.open(`${path}.source`, O_RDONLY)
  await who.copyFileRange(from, fd, 1)
  await who.close(from)
}

export function idMappedSuite(target: Target): void {
  const { system: sys, lacks } = target

  /** Directories: one to be mounted, and its mountpoint. */
  async function twoDirectories(t: Test): Promise<{ plain: string; through: string }> {
    const d = await scratch(t, target)
    const [plain, through] = [`${d}/plain`, `${d}/through`]
    for (const path of [plain, through]) await sys.mkdir(path)
    return { plain, through }
  }

  /** A directory where everybody may make files, and the mount of it. */
  async function mountMapped(t: Test): Promise<{ plain: string; through: string }> {
    const { plain, through } = await twoDirectories(t)
    await sys.chmod(plain, 0o777)
    await run('/usr/bin/python3', mounting(plain, through))
    t.teardown(() => run('umount', ['-l', through]))
    return { plain, through }
  }

  if (lacks.idMappedMounts !== undefined) {
    void test('an id-mapped mount is refused', async (t) => {
      const { plain, through } = await twoDirectories(t)
      t.teardown(() => finish('umount', ['-l', through]))
      const { output } = await finish('/usr/bin/python3', mounting(plain, through))
      t.match(output, `mount_setattr: ${lacks.idMappedMounts}`)
    })
    return
  }

  async function ownerOf(path: string): Promise<readonly [number, number]> {
    const { uid, gid } = await sys.lstat(path)
    return [uid, gid]
  }

  async function contained(t: Test): Promise<System> {
    const system = await System.startContained(first, count)
    t.teardown(() => system.stop())
    return system
  }

  void test('what is made through an id-mapped mount has the owner that its maker is mapped to', async (t) => {
    const { plain, through } = await mountMapped(t)
    const alice = await actor(t, mapped(ALICE))
    const makers: Record<string, (path: string) => Promise<unknown>> = {
      created: async (path) => alice.close(await alice.open(path, O_WRONLY | O_CREAT)),
      made: (path) => alice.mknod(path, S_IFREG | 0o644),
      fifo: (path) => alice.mkfifo(path),
      directory: (path) => alice.mkdir(path),
      link: (path) => alice.symlink('target', path),
      nameless: async (path) => {
        const fd = await alice.open(through, O_TMPFILE | O_RDWR)
        await alice.link(`/proc/self/fd/${fd}`, path, AT_SYMLINK_FOLLOW)
        await alice.close(fd)
      },
      whiteout: async (path) => {
        await alice.writeFile(path, 'content')
        await alice.rename(path, `${path}-moved`, RENAME_WHITEOUT)
      },
    }
    for (const [name, make] of Object.entries(makers)) {
      await make(`${through}/${name}`)
      t.same(await ownerOf(`${plain}/${name}`), [ALICE.uid, ALICE.gid], name)
      t.same(await ownerOf(`${through}/${name}`), [first + ALICE.uid, first + ALICE.gid], `${name}, mapped`)
    }
    t.equal((await sys.lstat(`${plain}/whiteout`)).mode & constants.S_IFMT, S_IFCHR)
    const root = await contained(t)
    await root.writeFile(`${through}/of-root`, '')
    t.same(await ownerOf(`${plain}/of-root`), [0, 0])
    t.equal((await root.stat(`${through}/of-root`)).uid, 0, 'as root of the user namespace sees it')
    await sys.chown(plain, ALICE.uid, ALICE.groups[0]!)
    await sys.chmod(plain, 0o2777)
    await root.writeFile(`${through}/inheriting`, '')
    t.same(
      await ownerOf(`${plain}/inheriting`),
      [0, ALICE.groups[0]!],
      'the group of a set-group-ID directory',
    )
  })

  void test('who is not mapped makes nothing, and who is not mapped owns as nobody', async (t) => {
    const { plain, through } = await mountMapped(t)
    const alice = await actor(t, ALICE)
    t.equal(await outcome(alice.mkdir(`${through}/directory`)), 'EOVERFLOW')
    t.equal(await outcome(alice.open(`${through}/file`, O_WRONLY | O_CREAT)), 'EOVERFLOW')
    t.equal(await outcome(alice.open(through, O_TMPFILE | O_RDWR)), 'EOVERFLOW')
    t.same(await sys.names(plain), [])
    await sys.writeFile(`${plain}/far`, 'content')
    await sys.chown(`${plain}/far`, count + 1, count + 1)
    t.same(await ownerOf(`${through}/far`), [overflowId, overflowId])
    const root = await contained(t)
    t.equal(await outcome(root.chmod(`${through}/far`, 0o600)), 'EOVERFLOW')
  })

  void test('chown through an id-mapped mount', async (t) => {
    const { plain, through } = await mountMapped(t)
    const [alice, root] = [await actor(t, mapped(ALICE)), await contained(t)]
    await alice.writeFile(`${through}/file`, 'content')
    await alice.chmod(`${through}/file`, 0o6755)
    t.equal(await outcome(alice.chown(`${through}/file`, first + BOB.uid, -1)), 'EPERM')
    await alice.chown(`${through}/file`, -1, first + ALICE.groups[0]!)
    t.same(await ownerOf(`${plain}/file`), [ALICE.uid, ALICE.groups[0]!], 'its owner, to a group of hers')
    t.equal(permissions((await sys.stat(`${plain}/file`)).mode), 0o755)
    await root.chown(`${through}/file`, 5, 6)
    t.same(await ownerOf(`${plain}/file`), [5, 6], 'root of a user namespace')
    await sys.chown(`${through}/file`, first + 7, first + 8)
    t.same(await ownerOf(`${plain}/file`), [7, 8], 'root')
    t.equal(await outcome(sys.chown(`${through}/file`, 7, 8)), 'EOVERFLOW', 'to who is not mapped')
    t.same(await ownerOf(`${plain}/file`), [7, 8])
  })

  for (const [title, change] of changes) {
    void test(`${title}: who keeps set-ID bits, and who does not`, async (t) => {
      const { plain, through } = await mountMapped(t)
      const callers: readonly (readonly [string, System, string, boolean])[] = [
        ['root', sys, plain, true],
        ['root, mapped', sys, through, true],
        ['the owner', await actor(t, ALICE), plain, false],
        ['the owner, mapped', await actor(t, mapped(ALICE)), through, false],
        ['a stranger', await actor(t, BOB), plain, false],
        ['a mapped stranger', await actor(t, mapped(BOB)), through, false],
        ['root of a user namespace', await contained(t), through, false],
      ]
      for (const [role, who, directory, isKept] of callers) {
        for (const mode of [0o4777, 0o2777, 0o6777]) {
          const name = `${role} ${mode.toString(8)}`
          await sys.writeFile(`${plain}/${name}.source`, 'x')
          await sys.writeFile(`${plain}/${name}`, 'content')
          await sys.chown(`${plain}/${name}`, ALICE.uid, ALICE.gid)
          await sys.chmod(`${plain}/${name}`, 0o777)
          const fd = await who.open(`${directory}/${name}`, O_WRONLY)
          await sys.chmod(`${plain}/${name}`, mode)
          await change(who, fd, `${directory}/${name}`)
          await who.close(fd)
          t.equal(permissions(await sys.modeAlone(`${plain}/${name}`)), isKept ? mode : 0o777, name)
        }
      }
    })
  }

  void test('a program with set-user-ID runs as its mapped owner', async (t) => {
    const { plain, through } = await mountMapped(t)
    await sys.writeFile(`${plain}/id`, await readFile('/usr/bin/id'))
    await sys.chown(`${plain}/id`, ALICE.uid, ALICE.gid)
    await sys.chmod(`${plain}/id`, 0o4755)
    const bob = await actor(t, mapped(BOB))
    t.equal(await bob.run(`${through}/id`, '-u'), `${first + ALICE.uid}\n`)
    t.equal(await bob.run(`${plain}/id`, '-u'), `${ALICE.uid}\n`)
  })

  void test('a stranger may not take set-ID bits away through an id-mapped mount', async (t) => {
    const { plain, through } = await mountMapped(t)
    const bob = await actor(t, mapped(BOB))
    await sys.writeFile(`${plain}/file`, 'content')
    await sys.chown(`${plain}/file`, ALICE.uid, ALICE.gid)
    await sys.chmod(`${plain}/file`, 0o6777)
    t.equal(await outcome(bob.chown(`${through}/file`, -1, -1)), 'EPERM')
    t.equal(permissions(await sys.modeAlone(`${plain}/file`)), 0o6777)
  })

  void test('permissions, modes and sticky directories go by mapped ids', async (t) => {
    const { plain, through } = await mountMapped(t)
    const [alice, bob, root] = [
      await actor(t, mapped(ALICE)),
      await actor(t, mapped(BOB)),
      await contained(t),
    ]
    await alice.writeFile(`${through}/file`, 'content', 0o600)
    t.equal(await outcome(bob.open(`${through}/file`, O_RDONLY)), 'EACCES')
    t.equal(await outcome((await actor(t, ALICE)).open(`${through}/file`, O_RDONLY)), 'EACCES', 'by number')
    t.equal((await alice.readFile(`${through}/file`)).toString(), 'content')
    t.equal((await root.readFile(`${through}/file`)).toString(), 'content')
    t.equal(await outcome(bob.chmod(`${through}/file`, 0o644)), 'EPERM')
    t.equal(await outcome(alice.chmod(`${through}/file`, 0o644)), 'OK')
    await sys.chmod(plain, 0o1777)
    t.equal(await outcome(bob.unlink(`${through}/file`)), 'EPERM')
    t.equal(await outcome(bob.rename(`${through}/file`, `${through}/other`)), 'EPERM')
    t.equal(await outcome(alice.rename(`${through}/file`, `${through}/other`)), 'OK')
    t.equal(await outcome(root.unlink(`${through}/other`)), 'OK')
  })

  void test('ACLs through an id-mapped mount name mapped ids', async (t) => {
    const { plain, through } = await mountMapped(t)
    const [alice, bob] = [await actor(t, mapped(ALICE)), await actor(t, mapped(BOB))]
    await alice.writeFile(`${through}/file`, 'content', 0o600)
    const acl = (base: number): string => `u::rw-,u:${base + BOB.uid}:r--,g::---,m::r--,o::---`
    await alice.setxattr(`${through}/file`, ACCESS, aclBytes(acl(first)))
    t.equal(aclText(await sys.getxattr(`${plain}/file`, ACCESS)), acl(0))
    t.equal(aclText(await sys.getxattr(`${through}/file`, ACCESS)), acl(first))
    t.equal((await bob.readFile(`${through}/file`)).toString(), 'content')
    t.equal(await outcome(bob.open(`${through}/file`, O_WRONLY)), 'EACCES')
    await alice.mkdir(`${through}/directory`)
    await alice.setxattr(`${through}/directory`, DEFAULT, aclBytes(acl(first)))
    await alice.writeFile(`${through}/directory/file`, '', 0o640)
    t.equal(aclText(await sys.getxattr(`${plain}/directory/file`, ACCESS)), acl(0), 'inherited')
    t.equal(await outcome(bob.setxattr(`${through}/file`, ACCESS, aclBytes(acl(first)))), 'EPERM')
  })

  void test('extended attributes and flags through an id-mapped mount', async (t) => {
    const { plain, through } = await mountMapped(t)
    const [alice, bob, root] = [
      await actor(t, mapped(ALICE)),
      await actor(t, mapped(BOB)),
      await contained(t),
    ]
    const value = Buffer.from('value')
    await alice.writeFile(`${through}/file`, 'content', 0o644)
    await sys.setxattr(`${through}/file`, 'trusted.a', value)
    await alice.setxattr(`${through}/file`, 'user.a', value)
    t.equal(await outcome(bob.setxattr(`${through}/file`, 'user.b', value)), 'EACCES')
    t.equal(await outcome(root.setxattr(`${through}/file`, 'trusted.b', value)), 'EPERM')
    for (const directory of [plain, through]) {
      t.same([...(await sys.listxattr(`${directory}/file`))].sort(), ['trusted.a', 'user.a'])
    }
    for (const who of [alice, bob, root]) t.same(await who.listxattr(`${through}/file`), ['user.a'])
    await setFlags(sys, `${through}/file`, fl.append)
    t.equal(await getFlags(root, `${through}/file`), fl.append)
    t.equal(await outcome(setFlags(root, `${through}/file`, 0)), 'EPERM')
    t.equal(await outcome(root.truncate(`${through}/file`, 0)), 'EPERM')
    t.equal(await outcome(alice.unlink(`${through}/file`)), 'EPERM')
    const fd = await alice.open(`${through}/file`, O_WRONLY | O_APPEND)
    t.equal(await alice.write(fd, Buffer.from('x')), 1)
    await alice.close(fd)
    await setFlags(sys, `${plain}/file`, 0)
    await setFlags(alice, `${through}/file`, fl.nodump)
    t.equal(await outcome(setFlags(bob, `${through}/file`, 0)), 'EPERM')
  })
}
