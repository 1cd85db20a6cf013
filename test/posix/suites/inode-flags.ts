// SPDX-License-Identifier: GPL-2.0-only
/** Flags of inodes (ioctl_iflags(2)), what they forbid, and projects. */
import { constants } from 'node:fs'
import { test } from 'tap'
import {
  fl,
  getFlags,
  getProject,
  getVersion,
  setFlags,
  setProject,
  xflag,
} from '../../support/inode-flags.js'
import { NOW, OMIT, RENAME_EXCHANGE, RENAME_WHITEOUT, outcome } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { ALICE, BOB, actor, pattern, scratch, tick } from '../fixture.js'

const { O_APPEND, O_CREAT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants
const hour = 3_600_000_000_000n

export function inodeFlagsSuite(target: Target): void {
  const { system: sys, lacks } = target
  const hasAll = lacks.syncFlags === undefined

  void test('flags are kept', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/dir`)
    await sys.writeFile(`${d}/file`, pattern(100))
    for (const name of ['dir', 'file']) {
      t.equal(await getFlags(sys, `${d}/${name}`), 0, 'none at first')
      for (const flag of [fl.nodump, fl.noatime, fl.nodump | fl.noatime, fl.immutable, fl.append, 0]) {
        await setFlags(sys, `${d}/${name}`, flag)
        t.equal(await getFlags(sys, `${d}/${name}`), flag)
      }
      await setFlags(sys, `${d}/${name}`, fl.nodump)
      await sys.rename(`${d}/${name}`, `${d}/${name}-moved`)
      t.equal(await getFlags(sys, `${d}/${name}-moved`), fl.nodump, 'the name does not matter')
      t.equal(await outcome(sys.chmod(`${d}/${name}-moved`, 0o700)), 'OK')
      t.equal(await getFlags(sys, `${d}/${name}-moved`), fl.nodump, 'nor do other attributes')
    }
    const fd = await sys.open(`${d}/file-moved`, O_RDWR)
    await sys.write(fd, pattern(10_000))
    await sys.ftruncate(fd, 5)
    await sys.close(fd)
    t.equal(await getFlags(sys, `${d}/file-moved`), fl.nodump, 'nor do the contents')
  })

  void test('sync and dirsync', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/dir`)
    await sys.writeFile(`${d}/file`, '')
    const expected = lacks.syncFlags ?? 'OK'
    t.equal(await outcome(setFlags(sys, `${d}/file`, fl.sync)), expected)
    t.equal(await outcome(setFlags(sys, `${d}/dir`, fl.sync | fl.dirsync)), expected)
    if (!hasAll) return
    t.equal(await getFlags(sys, `${d}/file`), fl.sync)
    t.equal(await getFlags(sys, `${d}/dir`), fl.sync | fl.dirsync)
    t.equal(await outcome(setFlags(sys, `${d}/file`, fl.dirsync)), 'EOPNOTSUPP', 'of a file')
    t.equal(await getFlags(sys, `${d}/file`), fl.sync, 'a refusal changes nothing')
  })

  void test('setting flags moves ctime alone', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/file`, pattern(10))
    const before = await sys.stat(`${d}/file`)
    await tick()
    await setFlags(sys, `${d}/file`, fl.nodump)
    const after = await sys.stat(`${d}/file`)
    t.ok(after.ctimeNs > before.ctimeNs, 'ctime')
    t.same({ ...after, ctimeNs: 0n }, { ...before, ctimeNs: 0n })
  })

  void test('an immutable file stays as it is', async (t) => {
    const d = await scratch(t, target)
    const path = `${d}/file`
    const contents = pattern(10_000)
    await sys.writeFile(path, contents)
    await sys.writeFile(`${d}/other`, pattern(100))
    await setFlags(sys, path, fl.immutable)
    const before = await sys.stat(path)
    await tick()
    const refused: readonly (readonly [what: string, call: () => Promise<unknown>])[] = [
      ['chmod', () => sys.chmod(path, 0o600)],
      ['chown', () => sys.chown(path, 1, 1)],
      ['touch', () => sys.setTimes(path, NOW, NOW)],
      ['utimes', () => sys.setTimes(path, before.atimeNs - hour, OMIT)],
      ['truncate', () => sys.truncate(path, 5)],
      ['truncate to more', () => sys.truncate(path, 20_000)],
      ['open with O_TRUNC', () => sys.open(path, O_WRONLY | O_TRUNC)],
      ['link', () => sys.link(path, `${d}/second`)],
      ['unlink', () => sys.unlink(path)],
      ['rename', () => sys.rename(path, `${d}/moved`)],
      ['rename over it', () => sys.rename(`${d}/other`, path)],
      ['exchange', () => sys.rename(`${d}/other`, path, RENAME_EXCHANGE)],
      ['whiteout', () => sys.rename(path, `${d}/moved`, RENAME_WHITEOUT)],
    ]
    for (const [what, call] of refused) t.equal(await outcome(call()), 'EPERM', what)
    const from = await sys.open(`${d}/other`, O_RDONLY)
    for (const flags of [O_RDWR, O_WRONLY, O_WRONLY | O_APPEND]) {
      t.equal(await outcome(sys.open(path, flags)), lacks.guardedOpen ?? 'EPERM', 'open for writing')
      if (lacks.guardedOpen !== 'OK') continue
      const fd = await sys.open(path, flags)
      t.equal(await outcome(sys.write(fd, pattern(10, 2))), 'EPERM', 'write')
      t.equal(await outcome(sys.pwrite(fd, pattern(5000, 2), 9000)), 'EPERM', 'pwrite')
      t.equal(await outcome(sys.directWrite(fd, pattern(4096, 2), 4096)), 'EPERM', 'with O_DIRECT')
      t.equal(await outcome(sys.ftruncate(fd, 0)), 'EPERM', 'ftruncate')
      if ((flags & O_APPEND) === 0)
        t.equal(await outcome(sys.copyFileRange(from, fd, 100)), 'EPERM', 'copy_file_range')
      await sys.close(fd)
    }
    await sys.close(from)
    t.same(await sys.stat(path), before)
    t.equal((await sys.readFile(path)).equals(contents), true, 'what was refused is not seen')
    t.same(await sys.names(d), ['file', 'other'])
    await setFlags(sys, path, 0)
    await sys.chmod(path, 0o600)
    await sys.unlink(path)
  })

  void test('an open file that becomes immutable', async (t) => {
    const d = await scratch(t, target)
    const fd = await sys.open(`${d}/file`, O_RDWR | O_CREAT)
    await sys.write(fd, pattern(5000))
    await setFlags(sys, `${d}/file`, fl.immutable)
    t.equal(await outcome(sys.pwrite(fd, pattern(10, 2), 0)), lacks.writeToGuarded ?? 'EPERM')
    await setFlags(sys, `${d}/file`, 0)
    t.equal(await sys.pwrite(fd, pattern(10, 3), 0), 10, 'and no more')
    await sys.close(fd)
  })

  if (hasAll)
    void test('of an immutable file nothing else changes', async (t) => {
      const d = await scratch(t, target)
      await sys.writeFile(`${d}/file`, '')
      await setFlags(sys, `${d}/file`, fl.immutable | fl.nodump)
      t.equal(await outcome(setFlags(sys, `${d}/file`, fl.immutable)), 'EPERM')
      t.equal(await outcome(setFlags(sys, `${d}/file`, fl.immutable | fl.nodump)), 'OK', 'no change')
      t.equal(await outcome(setFlags(sys, `${d}/file`, fl.append)), 'OK', 'in exchange for another')
      t.equal(await getFlags(sys, `${d}/file`), fl.append)
      await setFlags(sys, `${d}/file`, 0)
    })

  void test('an append-only file grows, and does nothing else', async (t) => {
    const d = await scratch(t, target)
    const path = `${d}/file`
    await sys.writeFile(path, pattern(5000))
    await sys.writeFile(`${d}/other`, '')
    await setFlags(sys, path, fl.append)
    const { atimeNs } = await sys.stat(path)
    const refused: readonly (readonly [what: string, call: () => Promise<unknown>])[] = [
      ['chmod', () => sys.chmod(path, 0o600)],
      ['chown', () => sys.chown(path, 1, 1)],
      ['utimes', () => sys.setTimes(path, atimeNs - hour, OMIT)],
      ['a single current time', () => sys.setTimes(path, NOW, OMIT)],
      ['truncate', () => sys.truncate(path, 5)],
      ['truncate to more', () => sys.truncate(path, 20_000)],
      ['open with O_TRUNC', () => sys.open(path, O_WRONLY | O_APPEND | O_TRUNC)],
      ['link', () => sys.link(path, `${d}/second`)],
      ['unlink', () => sys.unlink(path)],
      ['rename', () => sys.rename(path, `${d}/moved`)],
      ['rename over it', () => sys.rename(`${d}/other`, path)],
    ]
    for (const [what, call] of refused) t.equal(await outcome(call()), 'EPERM', what)
    t.equal(await outcome(sys.setTimes(path, NOW, NOW)), 'OK', 'touch')
    t.equal(await outcome(sys.open(path, O_WRONLY)), lacks.guardedOpen ?? 'EPERM', 'without O_APPEND')
    if (lacks.guardedOpen === 'OK') {
      const fd = await sys.open(path, O_RDWR)
      t.equal(await outcome(sys.pwrite(fd, pattern(10, 2), 0)), 'EPERM', 'at the start')
      t.equal(
        await outcome(sys.pwrite(fd, pattern(10, 2), 5000)),
        'EPERM',
        'at the end, but without O_APPEND',
      )
      await sys.close(fd)
    }
    const fd = await sys.open(path, O_RDWR | O_APPEND)
    t.equal(await sys.write(fd, pattern(3000, 2)), 3000)
    t.equal(await sys.write(fd, pattern(8000, 3)), 8000)
    t.equal(await outcome(sys.ftruncate(fd, 0)), 'EPERM', 'ftruncate')
    await sys.close(fd)
    const whole = Buffer.concat([pattern(5000), pattern(3000, 2), pattern(8000, 3)])
    t.equal((await sys.readFile(path)).equals(whole), true)
    await setFlags(sys, path, 0)
    t.equal(await outcome(sys.truncate(path, 5)), 'OK')
  })

  void test('an immutable directory keeps its names', async (t) => {
    const d = await scratch(t, target)
    const dir = `${d}/dir`
    await sys.mkdir(dir)
    await sys.mkdir(`${dir}/inner`)
    await sys.writeFile(`${dir}/file`, '')
    await sys.writeFile(`${d}/other`, '')
    await setFlags(sys, dir, fl.immutable)
    const refused: readonly (readonly [what: string, call: () => Promise<unknown>])[] = [
      ['create', () => sys.open(`${dir}/new`, O_WRONLY | O_CREAT)],
      ['mkdir', () => sys.mkdir(`${dir}/new`)],
      ['mkfifo', () => sys.mkfifo(`${dir}/new`)],
      ['symlink', () => sys.symlink('target', `${dir}/new`)],
      ['link', () => sys.link(`${d}/other`, `${dir}/new`)],
      ['unlink', () => sys.unlink(`${dir}/file`)],
      ['rmdir', () => sys.rmdir(`${dir}/inner`)],
      ['rename within', () => sys.rename(`${dir}/file`, `${dir}/new`)],
      ['rename out of it', () => sys.rename(`${dir}/file`, `${d}/new`)],
      ['rename into it', () => sys.rename(`${d}/other`, `${dir}/new`)],
      ['rename over a name', () => sys.rename(`${d}/other`, `${dir}/file`)],
      ['rename itself', () => sys.rename(dir, `${d}/moved`)],
      ['rmdir of itself', () => sys.rmdir(dir)],
      ['chmod', () => sys.chmod(dir, 0o700)],
    ]
    for (const [what, call] of refused) t.equal(await outcome(call()), 'EPERM', what)
    t.equal(await outcome(sys.mkdir(`${dir}/inner`)), 'EEXIST', 'what is there is told first')
    t.equal(await outcome(sys.unlink(`${dir}/none`)), 'ENOENT', 'and so is what is not')
    t.same(await sys.names(dir), ['file', 'inner'])
    await sys.writeFile(`${dir}/file`, 'its files can be written to')
    await sys.writeFile(`${dir}/inner/new`, 'and its directories')
    await setFlags(sys, dir, 0)
  })

  void test('an append-only directory takes names and loses none', async (t) => {
    const d = await scratch(t, target)
    const dir = `${d}/dir`
    await sys.mkdir(dir)
    await sys.writeFile(`${d}/other`, '')
    await sys.writeFile(`${d}/moved`, '')
    await setFlags(sys, dir, fl.append)
    await sys.writeFile(`${dir}/file`, '')
    await sys.mkdir(`${dir}/inner`)
    await sys.link(`${d}/other`, `${dir}/link`)
    await sys.rename(`${d}/moved`, `${dir}/moved`)
    const refused: readonly (readonly [what: string, call: () => Promise<unknown>])[] = [
      ['unlink', () => sys.unlink(`${dir}/file`)],
      ['rmdir', () => sys.rmdir(`${dir}/inner`)],
      ['rename within', () => sys.rename(`${dir}/file`, `${dir}/new`)],
      ['rename out of it', () => sys.rename(`${dir}/file`, `${d}/new`)],
      ['rename over a name', () => sys.rename(`${d}/other`, `${dir}/file`)],
    ]
    for (const [what, call] of refused) t.equal(await outcome(call()), 'EPERM', what)
    t.same(await sys.names(dir), ['file', 'inner', 'link', 'moved'])
    t.equal(await getFlags(sys, `${dir}/file`), 0, 'what is made there is not append-only')
    await setFlags(sys, dir, 0)
  })

  void test('a noatime file keeps its time of access', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/dir`)
    await sys.writeFile(`${d}/file`, pattern(100))
    for (const name of ['dir', 'file']) {
      await setFlags(sys, `${d}/${name}`, fl.noatime)
      await sys.setTimes(`${d}/${name}`, 1_000_000_000n * 1_000_000n, OMIT)
    }
    const before = [await sys.stat(`${d}/file`), await sys.stat(`${d}/dir`)]
    await sys.readFile(`${d}/file`)
    await sys.list(`${d}/dir`)
    t.same([await sys.stat(`${d}/file`), await sys.stat(`${d}/dir`)], before)
  })

  void test('new files take flags over from their directory', async (t) => {
    const d = await scratch(t, target)
    const flags = fl.nodump | fl.noatime | (hasAll ? fl.sync | fl.dirsync : 0)
    await sys.mkdir(`${d}/dir`)
    await setFlags(sys, `${d}/dir`, flags)
    await sys.writeFile(`${d}/dir/file`, '')
    await sys.mkdir(`${d}/dir/inner`)
    await sys.symlink('a'.repeat(60), `${d}/dir/short`)
    await sys.symlink('a'.repeat(300), `${d}/dir/long`)
    t.equal(await getFlags(sys, `${d}/dir/file`), flags & ~fl.dirsync)
    t.equal(await getFlags(sys, `${d}/dir/inner`), flags)
    for (const name of ['short', 'long'])
      t.equal((await sys.readlink(`${d}/dir/${name}`)).length, name === 'short' ? 60 : 300)
    await sys.writeFile(`${d}/moved`, '')
    await sys.rename(`${d}/moved`, `${d}/dir/moved`)
    t.equal(await getFlags(sys, `${d}/dir/moved`), 0, 'what is not new keeps its own')
  })

  void test('who may set flags', async (t) => {
    const d = await scratch(t, target)
    await sys.chmod(d, 0o777)
    const alice = await actor(t, ALICE)
    const bob = await actor(t, BOB)
    await alice.writeFile(`${d}/file`, '')
    t.equal(await outcome(setFlags(alice, `${d}/file`, fl.nodump)), 'OK', 'the owner')
    t.equal(await outcome(setFlags(bob, `${d}/file`, 0)), 'EPERM', 'another')
    t.equal(await getFlags(bob, `${d}/file`), fl.nodump, 'who may see them')
    for (const flag of [fl.immutable, fl.append])
      t.equal(
        await outcome(setFlags(alice, `${d}/file`, flag)),
        'EPERM',
        'for those with CAP_LINUX_IMMUTABLE',
      )
    await setFlags(sys, `${d}/file`, fl.immutable)
    t.equal(await outcome(setFlags(alice, `${d}/file`, 0)), 'EPERM')
    await setFlags(sys, `${d}/file`, 0)
  })

  void test('calls that there are not', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/file`, '')
    for (const path of [d, `${d}/file`])
      t.equal(await outcome(sys.ioctl(path, 0x4008_5a01, Buffer.alloc(8))), 'ENOTTY')
  })

  void test('the same flags by the other call', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/dir`)
    for (const [flag, other] of [
      [fl.nodump, xflag.nodump],
      [fl.noatime, xflag.noatime],
      [fl.append, xflag.append],
      [fl.immutable, xflag.immutable],
    ] as const) {
      await setFlags(sys, `${d}/dir`, flag)
      t.same(await getProject(sys, `${d}/dir`), { xflags: other, project: 0 })
      await setProject(sys, `${d}/dir`, 0, 0)
      t.equal(await getFlags(sys, `${d}/dir`), 0)
      await setProject(sys, `${d}/dir`, other, 0)
      t.equal(await getFlags(sys, `${d}/dir`), flag)
    }
    await setProject(sys, `${d}/dir`, 0, 0)
    if (!hasAll) return
    await setFlags(sys, `${d}/dir`, fl.dirsync | fl.sync)
    await setProject(sys, `${d}/dir`, xflag.nodump, 0)
    t.equal(await getFlags(sys, `${d}/dir`), fl.dirsync | fl.nodump, 'it does not know dirsync')
  })

  void test('projects', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/dir`)
    await sys.writeFile(`${d}/file`, '')
    t.equal(await outcome(setProject(sys, `${d}/file`, 0, 7)), lacks.projects ?? 'OK')
    if (lacks.projects !== undefined) return
    t.same(await getProject(sys, `${d}/file`), { xflags: 0, project: 7 })
    await setProject(sys, `${d}/file`, 0, 0xffff_fff0)
    t.equal((await getProject(sys, `${d}/file`)).project, 0xffff_fff0)
    await setFlags(sys, `${d}/file`, fl.nodump)
    t.equal((await getProject(sys, `${d}/file`)).project, 0xffff_fff0, 'setting flags leaves it')
    await setProject(sys, `${d}/dir`, 0, 42)
    await sys.writeFile(`${d}/dir/before`, '')
    t.equal((await getProject(sys, `${d}/dir/before`)).project, 0, 'not inherited')
    await setProject(sys, `${d}/dir`, xflag.projinherit, 42)
    await sys.writeFile(`${d}/dir/file`, '')
    await sys.mkdir(`${d}/dir/inner`)
    t.same(await getProject(sys, `${d}/dir/file`), { xflags: 0, project: 42 })
    t.same(await getProject(sys, `${d}/dir/inner`), { xflags: xflag.projinherit, project: 42 })
    t.equal(
      await outcome(setFlags(sys, `${d}/file`, fl.projinherit)),
      'EOPNOTSUPP',
      'a file inherits to nobody',
    )
    t.equal(await outcome(sys.rename(`${d}/file`, `${d}/dir/other`)), 'EXDEV', 'into another project')
    t.equal(await outcome(sys.link(`${d}/file`, `${d}/dir/other`)), 'EXDEV')
    t.equal(await outcome(sys.rename(`${d}/file`, `${d}/dir/file`, RENAME_EXCHANGE)), 'EXDEV')
    t.equal(await outcome(sys.rename(`${d}/dir/file`, `${d}/file`, RENAME_EXCHANGE)), 'EXDEV')
    t.equal(await outcome(sys.rename(`${d}/dir/file`, `${d}/dir/renamed`)), 'OK', 'within it')
    t.equal(await outcome(sys.rename(`${d}/dir/renamed`, `${d}/out`)), 'OK', 'out of it')
    t.equal((await getProject(sys, `${d}/out`)).project, 42, 'which it keeps')
    t.equal(await outcome(sys.rename(`${d}/out`, `${d}/dir/back`)), 'OK', 'and back')
  })

  void test('generations tell uses of an inode apart', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/file`, '')
    if (lacks.generations !== undefined) {
      t.equal(await outcome(getVersion(sys, `${d}/file`)), lacks.generations)
      return
    }
    const generation = await getVersion(sys, `${d}/file`)
    t.equal(await getVersion(sys, `${d}/file`), generation, 'the same each time')
    const seen = new Set<string>()
    for (let n = 0; n < 20; n++) {
      await sys.writeFile(`${d}/one`, '')
      seen.add(`${(await sys.stat(`${d}/one`)).ino} ${await getVersion(sys, `${d}/one`)}`)
      await sys.unlink(`${d}/one`)
    }
    t.equal(seen.size, 20)
  })
}
