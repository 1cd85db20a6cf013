// SPDX-License-Identifier: GPL-2.0-only
/** utimensat(2): any nanosecond of any year is kept; and the time of birth, which nothing changes. */
import { test } from 'tap'
import { AT_SYMLINK_NOFOLLOW, NOW, OMIT, outcome } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { actor, ALICE, BOB, scratch, tick } from '../fixture.js'

const SECOND = 1_000_000_000n
const now = (): bigint => BigInt(Date.now()) * 1_000_000n

export function setTimesSuite(target: Target): void {
  const { system: sys } = target

  const moments: readonly (readonly [string, bigint])[] = [
    ['the epoch', 0n],
    ['the first nanosecond', 1n],
    ['the last nanosecond of a second', 999_999_999n],
    ['an odd nanosecond', 1_234_567_890_123_456_789n],
    ['the last second of 31 bits', (2n ** 31n - 1n) * SECOND + 999_999_999n],
    ['the first second past 31 bits', 2n ** 31n * SECOND + 5n],
    ['the first second past 32 bits', 2n ** 32n * SECOND + 7n],
    ['a year after 2400', 13_700_000_000n * SECOND + 1n],
    ['just before the epoch', -1n],
    ['a second and a half before the epoch', -1_500_000_000n],
    ['a year before 1910', -1_900_000_000n * SECOND + 3n],
  ]
  for (const [title, time] of moments) {
    void test(`utimensat keeps ${title}`, async (t) => {
      const d = await scratch(t, target)
      await sys.writeFile(`${d}/file`, '')
      await sys.mkdir(`${d}/directory`)
      for (const name of ['file', 'directory']) {
        await sys.setTimes(`${d}/${name}`, time, time + 1n)
        const { atimeNs, mtimeNs } = await sys.stat(`${d}/${name}`)
        t.equal(atimeNs, time, `${name}: atime`)
        t.equal(mtimeNs, time + 1n, `${name}: mtime`)
      }
    })
  }

  void test('utimensat with UTIME_NOW and UTIME_OMIT', async (t) => {
    const d = await scratch(t, target)
    const path = `${d}/a`
    await sys.writeFile(path, '')
    const recent = now() - 2n * SECOND
    await sys.setTimes(path, 111n, 222n)
    await sys.setTimes(path, 333n, OMIT)
    t.match(await sys.stat(path), { atimeNs: 333n, mtimeNs: 222n }, 'atime alone')
    await sys.setTimes(path, OMIT, 444n)
    t.match(await sys.stat(path), { atimeNs: 333n, mtimeNs: 444n }, 'mtime alone')
    await sys.setTimes(path, NOW, OMIT)
    const first = await sys.stat(path)
    t.ok(first.atimeNs > recent, 'atime is now')
    t.equal(first.mtimeNs, 444n)
    await sys.setTimes(path, 555n, NOW)
    const second = await sys.stat(path)
    t.equal(second.atimeNs, 555n)
    t.ok(second.mtimeNs > recent, 'mtime is now')
    await sys.setTimes(path, 1n, 2n)
    await sys.setTimes(path, NOW, NOW)
    const third = await sys.stat(path)
    t.ok(third.atimeNs > recent && third.mtimeNs > recent, 'both are now')
    t.equal(third.atimeNs, third.mtimeNs, 'and the same')
  })

  void test('utimensat moves ctime, and not when it omits both', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    const before = await sys.stat(`${d}/a`)
    await tick()
    await sys.setTimes(`${d}/a`, OMIT, OMIT)
    t.same(await sys.stat(`${d}/a`), before, 'both omitted: nothing happens')
    await sys.setTimes(`${d}/a`, 1n, OMIT)
    t.ok((await sys.stat(`${d}/a`)).ctimeNs > before.ctimeNs)
    t.equal((await sys.stat(`${d}/a`)).mtimeNs, before.mtimeNs)
  })

  void test('utimensat of a symbolic link', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    await sys.symlink('a', `${d}/link`)
    await sys.setTimes(`${d}/a`, 10n, 20n)
    await sys.setTimes(`${d}/link`, 30n, 40n, AT_SYMLINK_NOFOLLOW)
    t.equal((await sys.lstat(`${d}/link`)).mtimeNs, 40n, 'the link itself')
    t.match(await sys.stat(`${d}/a`), { atimeNs: 10n, mtimeNs: 20n }, 'and not what it names')
    await sys.setTimes(`${d}/link`, 50n, 60n)
    t.match(await sys.stat(`${d}/a`), { atimeNs: 50n, mtimeNs: 60n }, 'or what it names')
    t.equal((await sys.lstat(`${d}/link`)).mtimeNs, 40n, 'and not the link')
    t.equal(await outcome(sys.setTimes(`${d}/none`, 1n, 1n)), 'ENOENT')
  })

  void test('who may set times', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    await sys.chown(`${d}/a`, ALICE.uid, ALICE.gid)
    await sys.chmod(`${d}/a`, 0o644)
    const [alice, bob] = [await actor(t, ALICE), await actor(t, BOB)]
    t.equal(await outcome(alice.setTimes(`${d}/a`, 1n, 2n)), 'OK', 'the owner, any time')
    t.equal(await outcome(bob.setTimes(`${d}/a`, 3n, 4n)), 'EPERM', 'another, any time')
    t.equal(
      await outcome(bob.setTimes(`${d}/a`, NOW, NOW)),
      'EACCES',
      'another, now, without write permission',
    )
    t.equal(await outcome(bob.setTimes(`${d}/a`, OMIT, OMIT)), 'OK', 'nothing, anyone')
    t.match(await sys.stat(`${d}/a`), { atimeNs: 1n, mtimeNs: 2n })
    await sys.chmod(`${d}/a`, 0o666)
    t.equal(await outcome(bob.setTimes(`${d}/a`, NOW, NOW)), 'OK', 'another, now, with write permission')
    t.equal(await outcome(bob.setTimes(`${d}/a`, NOW, OMIT)), 'EPERM', 'another, only one of them')
    t.ok((await sys.stat(`${d}/a`)).mtimeNs > now() - 10n * SECOND)
  })

  void test('the time of birth stays', async (t) => {
    const d = await scratch(t, target)
    const earliest = now() - SECOND
    await sys.writeFile(`${d}/a`, '')
    await sys.mkdir(`${d}/b`)
    if (target.lacks.birthTime !== undefined) {
      t.equal(await outcome(sys.birthTime(`${d}/a`)), target.lacks.birthTime)
      return
    }
    const born = await sys.birthTime(`${d}/a`)
    t.ok(born > earliest && born < now() + SECOND, 'it is the time of creation')
    t.ok(born <= (await sys.stat(`${d}/a`)).ctimeNs)
    await tick()
    await sys.writeFile(`${d}/a`, 'content')
    await sys.chmod(`${d}/a`, 0o600)
    await sys.setTimes(`${d}/a`, 1n, 2n)
    await sys.link(`${d}/a`, `${d}/second`)
    await sys.rename(`${d}/a`, `${d}/b/c`)
    t.equal(await sys.birthTime(`${d}/b/c`), born)
    t.equal(await sys.birthTime(`${d}/second`), born)
    t.ok((await sys.birthTime(`${d}/b`)) >= born, 'directories have one too')
    await sys.writeFile(`${d}/younger`, '')
    t.ok((await sys.birthTime(`${d}/younger`)) > born, 'a younger file is born later')
  })
}
