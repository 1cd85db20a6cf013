// SPDX-License-Identifier: GPL-2.0-only
/** Modes and owners: what umask, chmod and chown leave, and when set-ID bits go. */
import { constants } from 'node:fs'
import { test, type Test } from 'tap'
import { outcome, type System } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { actor, ALICE, BOB, permissions, scratch, SHARED_GROUP } from '../fixture.js'

const { O_WRONLY, O_CREAT, O_TRUNC, O_EXCL, S_IFIFO } = constants

export function modesSuite(target: Target): void {
  const { system: sys } = target
  const modeOf = async (path: string): Promise<number> => permissions((await sys.lstat(path)).mode)

  for (const umask of [0o000, 0o022, 0o027, 0o077, 0o777]) {
    void test(`what a umask of 0${umask.toString(8)} leaves`, async (t) => {
      const d = await scratch(t, target)
      const maker = await actor(t)
      await maker.umask(umask)
      await maker.close(await maker.open(`${d}/file`, O_WRONLY | O_CREAT | O_EXCL, 0o666))
      await maker.mkdir(`${d}/directory`, 0o777)
      await maker.mkfifo(`${d}/fifo`, 0o666)
      await maker.mknod(`${d}/node`, S_IFIFO | 0o660)
      await maker.symlink('file', `${d}/link`)
      t.equal(await modeOf(`${d}/file`), 0o666 & ~umask, 'file')
      t.equal(await modeOf(`${d}/directory`), 0o777 & ~umask, 'directory')
      t.equal(await modeOf(`${d}/fifo`), 0o666 & ~umask, 'fifo')
      t.equal(await modeOf(`${d}/node`), 0o660 & ~umask, 'node')
      t.equal(await modeOf(`${d}/link`), 0o777, 'symbolic links have no mode of their own')
    })
  }

  void test('creation takes the higher bits of the mode too', async (t) => {
    const d = await scratch(t, target)
    await sys.close(await sys.open(`${d}/file`, O_WRONLY | O_CREAT, 0o7755))
    t.equal(await modeOf(`${d}/file`), 0o7755)
    await sys.mkdir(`${d}/directory`, 0o1777)
    t.equal(await modeOf(`${d}/directory`), 0o1755)
  })

  void test('chmod sets any of the twelve bits', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/file`, '')
    await sys.mkdir(`${d}/directory`)
    for (const name of ['file', 'directory']) {
      const type = (await sys.stat(`${d}/${name}`)).mode & constants.S_IFMT
      for (const mode of [0o7777, 0o4711, 0o2755, 0o1777, 0o000, 0o644]) {
        await sys.chmod(`${d}/${name}`, mode)
        t.equal((await sys.stat(`${d}/${name}`)).mode, type | mode, `${name} 0${mode.toString(8)}`)
      }
    }
    t.equal(await outcome(sys.chmod(`${d}/none`, 0o600)), 'ENOENT')
  })

  void test('chmod through a descriptor and through a link', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    await sys.symlink('a', `${d}/link`)
    await sys.chmod(`${d}/link`, 0o604)
    t.equal(await modeOf(`${d}/a`), 0o604)
    const fd = await sys.open(`${d}/a`, O_WRONLY)
    await sys.unlink(`${d}/a`)
    await sys.fchmod(fd, 0o640)
    t.equal(permissions((await sys.fstat(fd)).mode), 0o640, 'of a file without a name')
    await sys.fchown(fd, 7, 8)
    t.match(await sys.fstat(fd), { uid: 7, gid: 8 })
    await sys.close(fd)
  })

  void test('chown sets user, group, both, or neither', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    await sys.symlink('a', `${d}/link`)
    t.match(await sys.stat(`${d}/a`), { uid: 0, gid: 0 })
    await sys.chown(`${d}/a`, 11, 12)
    t.match(await sys.stat(`${d}/a`), { uid: 11, gid: 12 }, 'both')
    await sys.chown(`${d}/a`, -1, 13)
    t.match(await sys.stat(`${d}/a`), { uid: 11, gid: 13 }, 'the group')
    await sys.chown(`${d}/a`, 14, -1)
    t.match(await sys.stat(`${d}/a`), { uid: 14, gid: 13 }, 'the user')
    await sys.chown(`${d}/a`, -1, -1)
    t.match(await sys.stat(`${d}/a`), { uid: 14, gid: 13 }, 'neither')
    await sys.chown(`${d}/a`, 4_000_000_000, 70_000)
    t.match(await sys.stat(`${d}/a`), { uid: 4_000_000_000, gid: 70_000 }, 'ids of 32 bits')
    await sys.lchown(`${d}/link`, 15, 16)
    t.match(await sys.lstat(`${d}/link`), { uid: 15, gid: 16 }, 'a symbolic link')
    t.equal((await sys.stat(`${d}/a`)).gid, 70_000, 'and not what it names')
    await sys.chown(`${d}/link`, 17, 18)
    t.match(await sys.stat(`${d}/a`), { uid: 17, gid: 18 }, 'through a symbolic link')
  })

  void test('chown clears set-ID bits of files, not of directories', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    await sys.chmod(`${d}/a`, 0o6755)
    await sys.chown(`${d}/a`, 5, 5)
    t.equal(await modeOf(`${d}/a`), 0o755, 'even when root does it')
    await sys.chmod(`${d}/a`, 0o4755)
    await sys.chown(`${d}/a`, -1, 6)
    t.equal(await modeOf(`${d}/a`), 0o755, 'also for the group alone')
    await sys.mkdir(`${d}/directory`)
    await sys.chmod(`${d}/directory`, 0o3755)
    await sys.chown(`${d}/directory`, 5, 5)
    t.equal(await modeOf(`${d}/directory`), 0o3755)
  })

  void test('the owner may give a file to a group of his own, and to no one else', async (t) => {
    const d = await scratch(t, target)
    const alice = await actor(t, ALICE)
    await sys.writeFile(`${d}/a`, '')
    await sys.chown(`${d}/a`, ALICE.uid, ALICE.gid)
    t.equal(await outcome(alice.chown(`${d}/a`, -1, SHARED_GROUP)), 'OK', 'a supplementary group')
    t.equal((await sys.stat(`${d}/a`)).gid, SHARED_GROUP)
    t.equal(await outcome(alice.chown(`${d}/a`, -1, BOB.gid)), 'EPERM', 'a foreign group')
    t.equal(await outcome(alice.chown(`${d}/a`, BOB.uid, -1)), 'EPERM', 'another user')
    t.equal(await outcome(alice.chown(`${d}/a`, ALICE.uid, -1)), 'OK', 'himself')
    t.match(await sys.stat(`${d}/a`), { uid: ALICE.uid, gid: SHARED_GROUP })
  })

  void test('chmod by the owner drops set-group-ID of a group that is not his', async (t) => {
    const d = await scratch(t, target)
    const alice = await actor(t, ALICE)
    for (const [gid, left] of [
      [BOB.gid, 0o755],
      [ALICE.gid, 0o2755],
      [SHARED_GROUP, 0o2755],
    ] as const) {
      await sys.writeFile(`${d}/a`, '')
      await sys.chown(`${d}/a`, ALICE.uid, gid)
      await alice.chmod(`${d}/a`, 0o2755)
      t.equal(await modeOf(`${d}/a`), left, `group ${gid}`)
    }
  })

  const changes: readonly (readonly [string, (who: System, path: string) => Promise<unknown>])[] = [
    ['write', async (who, path) => who.write(await who.open(path, O_WRONLY), Buffer.from('x'))],
    ['truncate', (who, path) => who.truncate(path, 3)],
    ['open with O_TRUNC', (who, path) => who.open(path, O_WRONLY | O_TRUNC)],
  ]
  for (const [title, change] of changes) {
    void test(`${title} clears set-ID bits, unless root does it`, async (t: Test) => {
      const d = await scratch(t, target)
      for (const [identity, before, after] of [
        [BOB, 0o6777, 0o777],
        [BOB, 0o4666, 0o666],
        [ALICE, 0o6777, 0o777],
        [undefined, 0o6777, 0o6777],
      ] as const) {
        const who = await actor(t, identity)
        const path = `${d}/${identity?.uid ?? 'root'}-${before.toString(8)}`
        await sys.writeFile(path, 'content')
        await sys.chown(path, ALICE.uid, ALICE.gid)
        await sys.chmod(path, before)
        await change(who, path)
        t.equal(await modeOf(path), after, path.slice(d.length + 1))
      }
    })
  }
}
