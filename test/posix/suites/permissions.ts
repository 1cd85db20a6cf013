// SPDX-License-Identifier: GPL-2.0-only
/** Who may do what: permission bits by class, supplementary groups, set-group-ID and sticky directories. */
import { constants } from 'node:fs'
import { test } from 'tap'
import { outcome } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { actor, ALICE, BOB, permissions, scratch, SHARED_GROUP } from '../fixture.js'

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_NOATIME, S_IFCHR, R_OK, W_OK, X_OK, F_OK } = constants

export function permissionsSuite(target: Target): void {
  const { system: sys } = target

  void test('the first class that fits decides: owner, then group, then others', async (t) => {
    const d = await scratch(t, target)
    const alice = await actor(t, ALICE)
    const roles: readonly (readonly [string, number, number, number])[] = [
      ['owner', ALICE.uid, BOB.gid, 6],
      ['group', BOB.uid, ALICE.gid, 3],
      ['supplementary group', BOB.uid, SHARED_GROUP, 3],
      ['others', BOB.uid, BOB.gid, 0],
    ]
    await sys.writeFile(`${d}/a`, 'content')
    for (const [role, uid, gid, shift] of roles) {
      await sys.chown(`${d}/a`, uid, gid)
      for (const [bits, read, write] of [
        [0, 'EACCES', 'EACCES'],
        [4, 'OK', 'EACCES'],
        [2, 'EACCES', 'OK'],
        [6, 'OK', 'OK'],
      ] as const) {
        // The other classes get the opposite, so that a check of the wrong class shows.
        const opposite = (0o666 ^ (bits * 0o111)) & ~(7 << shift)
        await sys.chmod(`${d}/a`, opposite | (bits << shift))
        t.equal(await outcome(alice.open(`${d}/a`, O_RDONLY)), read, `${role} ${bits}: read`)
        t.equal(await outcome(alice.open(`${d}/a`, O_WRONLY)), write, `${role} ${bits}: write`)
        const both = bits === 6 ? 'OK' : 'EACCES'
        t.equal(await outcome(alice.open(`${d}/a`, O_RDWR)), both, `${role} ${bits}: both`)
      }
    }
  })

  void test('access(2) tells what open would say', async (t) => {
    const d = await scratch(t, target)
    const alice = await actor(t, ALICE)
    await sys.writeFile(`${d}/a`, '')
    await sys.chmod(`${d}/a`, 0o645)
    t.equal(await alice.access(`${d}/a`, F_OK), true)
    t.equal(await alice.access(`${d}/a`, R_OK), true)
    t.equal(await alice.access(`${d}/a`, W_OK), false)
    t.equal(await alice.access(`${d}/a`, X_OK), true)
    t.equal(await alice.access(`${d}/none`, F_OK), false)
    await sys.chmod(`${d}/a`, 0o600)
    t.equal(await alice.access(`${d}/a`, R_OK), false)
    t.equal(await alice.access(`${d}/a`, F_OK), true)
    t.equal(await sys.access(`${d}/a`, W_OK), true, 'root may')
    t.equal(await sys.access(`${d}/a`, X_OK), false, 'root may not run what has no x bit')
  })

  void test('a directory: x to pass, r to list, w and x to change', async (t) => {
    const d = await scratch(t, target)
    const alice = await actor(t, ALICE)
    await sys.mkdir(`${d}/dir`)
    await sys.writeFile(`${d}/dir/a`, 'content')
    const attempts = {
      pass: () => alice.stat(`${d}/dir/a`),
      list: () => alice.list(`${d}/dir`),
      create: () => alice.writeFile(`${d}/dir/new`, ''),
      makeDirectory: () => alice.mkdir(`${d}/dir/newdir`),
      rename: () => alice.rename(`${d}/dir/a`, `${d}/dir/b`),
      link: () => alice.symlink('a', `${d}/dir/link`),
      unlink: () => alice.unlink(`${d}/dir/a`),
    }
    const denied = Object.fromEntries(Object.keys(attempts).map((name) => [name, 'EACCES']))
    for (const [mode, allowed] of [
      [0o700, {}],
      [0o701, { pass: 'OK' }],
      [0o704, { list: 'OK' }],
      [0o702, {}],
      [0o706, { list: 'OK' }],
      [0o705, { pass: 'OK', list: 'OK' }],
    ] as const) {
      await sys.chmod(`${d}/dir`, mode)
      const found: Record<string, string> = {}
      for (const [name, attempt] of Object.entries(attempts)) found[name] = await outcome(attempt())
      t.same(found, { ...denied, ...allowed }, `mode 0${mode.toString(8)}`)
    }
    await sys.chmod(`${d}/dir`, 0o703)
    t.equal(await outcome(attempts.list()), 'EACCES')
    for (const name of ['create', 'makeDirectory', 'rename', 'link'] as const) {
      t.equal(await outcome(attempts[name]()), 'OK', `mode 0703: ${name}`)
    }
    t.equal(
      await outcome(alice.unlink(`${d}/dir/b`)),
      'OK',
      "another's file, from a directory one may write to",
    )
    t.match(await sys.stat(`${d}/dir/new`), { uid: ALICE.uid, gid: ALICE.gid }, 'a new file is its maker’s')
    t.match(await sys.stat(`${d}/dir/newdir`), { uid: ALICE.uid, gid: ALICE.gid })
    t.match(await sys.lstat(`${d}/dir/link`), { uid: ALICE.uid, gid: ALICE.gid })
  })

  void test('every directory of a path is checked', async (t) => {
    const d = await scratch(t, target)
    const alice = await actor(t, ALICE)
    await sys.mkdir(`${d}/a`)
    await sys.mkdir(`${d}/a/b`)
    await sys.writeFile(`${d}/a/b/c`, 'content')
    await sys.symlink('a/b/c', `${d}/link`)
    t.equal(await outcome(alice.stat(`${d}/a/b/c`)), 'OK')
    await sys.chmod(`${d}/a`, 0o700)
    t.equal(await outcome(alice.stat(`${d}/a/b/c`)), 'EACCES', 'also after it was seen once')
    t.equal(await outcome(alice.stat(`${d}/link`)), 'EACCES')
    t.equal(await outcome(alice.lstat(`${d}/link`)), 'OK')
    await sys.chmod(`${d}/a`, 0o711)
    t.equal(await outcome(alice.stat(`${d}/a/b/c`)), 'OK')
  })

  void test('a descriptor keeps what it was given when it was opened', async (t) => {
    const d = await scratch(t, target)
    const alice = await actor(t, ALICE)
    await sys.writeFile(`${d}/a`, 'content')
    await sys.chmod(`${d}/a`, 0o666)
    const fd = await alice.open(`${d}/a`, O_RDWR)
    await sys.chmod(`${d}/a`, 0o000)
    t.equal((await alice.pread(fd, 7, 0)).toString(), 'content')
    t.equal(await alice.pwrite(fd, Buffer.from('C'), 0), 1)
    t.equal(await outcome(alice.ftruncate(fd, 4)), 'OK')
    t.equal(await outcome(alice.open(`${d}/a`, O_RDONLY)), 'EACCES')
    t.equal((await sys.readFile(`${d}/a`)).toString(), 'Cont')
  })

  void test('what only the owner may do', async (t) => {
    const d = await scratch(t, target)
    const bob = await actor(t, BOB)
    await sys.writeFile(`${d}/a`, 'content')
    await sys.chown(`${d}/a`, ALICE.uid, ALICE.gid)
    await sys.chmod(`${d}/a`, 0o644)
    t.equal(await outcome(bob.chmod(`${d}/a`, 0o777)), 'EPERM', 'chmod')
    t.equal(await outcome(bob.chown(`${d}/a`, BOB.uid, BOB.gid)), 'EPERM', 'chown')
    t.equal(await outcome(bob.truncate(`${d}/a`, 0)), 'EACCES', 'truncate')
    t.equal(await outcome(bob.open(`${d}/a`, O_WRONLY | O_TRUNC)), 'EACCES', 'O_TRUNC')
    t.equal(await outcome(bob.open(`${d}/a`, O_RDONLY | O_NOATIME)), 'EPERM', 'O_NOATIME')
    t.equal(await outcome(bob.open(`${d}/a`, O_RDONLY)), 'OK', 'reading is for all')
    t.match(await sys.stat(`${d}/a`), { uid: ALICE.uid, size: 7 })
  })

  void test('only root makes devices; anyone makes a fifo', async (t) => {
    const d = await scratch(t, target)
    await sys.chmod(d, 0o777)
    const alice = await actor(t, ALICE)
    t.equal(await outcome(alice.mknod(`${d}/device`, S_IFCHR | 0o666, 1, 3)), 'EPERM')
    t.equal(await outcome(alice.mkfifo(`${d}/fifo`)), 'OK')
    t.same(await sys.names(d), ['fifo'])
  })

  void test('a set-group-ID directory hands its group down, and to directories the bit', async (t) => {
    const d = await scratch(t, target)
    const alice = await actor(t, ALICE)
    await sys.mkdir(`${d}/dir`)
    await sys.chown(`${d}/dir`, ALICE.uid, SHARED_GROUP)
    await sys.chmod(`${d}/dir`, 0o2755)
    await alice.close(await alice.open(`${d}/dir/file`, O_WRONLY | O_CREAT, 0o640))
    await alice.mkdir(`${d}/dir/sub`, 0o750)
    await alice.mkfifo(`${d}/dir/fifo`)
    await alice.symlink('file', `${d}/dir/link`)
    await alice.mkdir(`${d}/dir/sub/deeper`, 0o700)
    for (const name of ['file', 'sub', 'fifo', 'link', 'sub/deeper']) {
      const { uid, gid } = await sys.lstat(`${d}/dir/${name}`)
      t.same([uid, gid], [ALICE.uid, SHARED_GROUP], `${name}: owner and group`)
    }
    t.equal(permissions((await sys.stat(`${d}/dir/file`)).mode), 0o640, 'a file does not get the bit')
    t.equal(permissions((await sys.stat(`${d}/dir/sub`)).mode), 0o2750)
    t.equal(permissions((await sys.stat(`${d}/dir/sub/deeper`)).mode), 0o2700)
    await sys.chmod(`${d}/dir`, 0o755)
    await alice.mkdir(`${d}/dir/plain`)
    t.equal((await sys.stat(`${d}/dir/plain`)).gid, ALICE.gid, 'without the bit, the maker’s own group')
  })

  void test('a member of no group makes no set-group-ID file in such a directory', async (t) => {
    const d = await scratch(t, target)
    const bob = await actor(t, BOB)
    await sys.mkdir(`${d}/dir`)
    await sys.chown(`${d}/dir`, 0, SHARED_GROUP)
    await sys.chmod(`${d}/dir`, 0o2777)
    await bob.close(await bob.open(`${d}/dir/a`, O_WRONLY | O_CREAT, 0o2775))
    const made = await sys.stat(`${d}/dir/a`)
    t.equal(made.gid, SHARED_GROUP)
    t.equal(permissions(made.mode), 0o755)
  })

  void test('from a sticky directory, only owners remove and rename', async (t) => {
    const d = await scratch(t, target)
    const [alice, bob] = [await actor(t, ALICE), await actor(t, BOB)]
    await sys.mkdir(`${d}/dir`)
    await sys.chmod(`${d}/dir`, 0o1777)
    await alice.writeFile(`${d}/dir/file`, 'of alice')
    await alice.mkdir(`${d}/dir/sub`)
    await bob.writeFile(`${d}/dir/own`, 'of bob')
    t.equal(await outcome(bob.unlink(`${d}/dir/file`)), 'EPERM', 'unlink')
    t.equal(await outcome(bob.rmdir(`${d}/dir/sub`)), 'EPERM', 'rmdir')
    t.equal(await outcome(bob.rename(`${d}/dir/file`, `${d}/dir/x`)), 'EPERM', 'rename away')
    t.equal(await outcome(bob.rename(`${d}/dir/own`, `${d}/dir/file`)), 'EPERM', 'rename over')
    t.equal((await sys.readFile(`${d}/dir/file`)).toString(), 'of alice')
    t.equal(await outcome(bob.rename(`${d}/dir/own`, `${d}/dir/mine`)), 'OK', "the file's owner renames")
    t.equal(await outcome(alice.unlink(`${d}/dir/file`)), 'OK', "the file's owner unlinks")
    await sys.chown(`${d}/dir`, ALICE.uid, ALICE.gid)
    t.equal(await outcome(alice.unlink(`${d}/dir/mine`)), 'OK', "the directory's owner unlinks")
    await bob.writeFile(`${d}/dir/again`, '')
    t.equal(await outcome(sys.unlink(`${d}/dir/again`)), 'OK', 'root unlinks')
    t.same(await sys.names(`${d}/dir`), ['sub'])
  })
}
