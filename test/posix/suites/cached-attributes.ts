// SPDX-License-Identifier: GPL-2.0-only
/**
 * Attributes that the kernel keeps are what the file system has: whatever a call changes, a stat that the kernel may
 * answer by itself equals one that it may not.
 *
 * statx(2) that asks for one attribute refreshes all of them if that one is known to be out of date. So each attribute
 * is asked for alone, after a run of the case of its own. The descriptors (O_PATH) are older than the change: no lookup
 * brings attributes along. An attribute that the change leaves alone is asked for only where all is tried: a kept one
 * would be right.
 */
import { constants } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { test } from 'tap'
import { isExhaustive } from '../../support/extent.js'
import {
  AT_SYMLINK_NOFOLLOW,
  O_PATH,
  RENAME_EXCHANGE,
  statxField,
  type StatxField,
  type Statx,
  type System,
} from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { actor, BOB, PAGE_BYTES, pattern, scratch } from '../fixture.js'

const { O_RDONLY, O_WRONLY, O_RDWR, O_APPEND, O_CREAT, O_DIRECT, O_NOFOLLOW, O_SYNC, O_TRUNC, S_IFIFO } =
  constants
const fields = Object.keys(statxField) as StatxField[]
const content = pattern(3 * PAGE_BYTES + 5)
/** Of more than a block together. */
const longNames = Array.from({ length: 40 }, (_, n) => String(n).padStart(200, 'n'))
/** Long past, so that a read moves the time of access, and any change the others. */
const longAgo = 1_000_000_000_000_000_000n

/** What a change may use. The files: `file` with content, `twin`, another name of it; directories `.` and `sub`. */
interface Place {
  readonly sys: System
  readonly bob: System
  readonly d: string
}
interface Case {
  readonly title: string
  /** Of `file`, before the change. */
  readonly mode?: number
  readonly prepare?: (place: Place) => Promise<unknown>
  readonly act: (place: Place) => Promise<unknown>
  /** What is looked at beside `.`, `sub` and `file`. */
  readonly watched?: readonly string[]
  /** What the change makes. */
  readonly made?: readonly string[]
  /** Whether the page cache may answer, and then nothing changes. */
  readonly isCacheable?: boolean
  /** Whether it may answer where what was written before is still there, as the kernel gathers writes. */
  readonly isGathered?: boolean
}

async function withOpen(
  who: System,
  path: string,
  flags: number,
  act: (fd: number) => Promise<unknown>,
): Promise<void> {
  const fd = await who.open(path, flags)
  await act(fd)
  await who.close(fd)
}

const writeBy = (who: 'sys' | 'bob', flags: number, data: Buffer, offset: number) => (place: Place) =>
  withOpen(place[who], `${place.d}/file`, O_WRONLY | flags, (fd) => place[who].pwrite(fd, data, offset))

const directWrite = ({ bob, d }: Place) =>
  withOpen(bob, `${d}/file`, O_WRONLY | O_DIRECT, (fd) =>
    bob.directWrite(fd, pattern(PAGE_BYTES), 8 * PAGE_BYTES),
  )

const mapWrite = ({ bob, d }: Place) =>
  withOpen(bob, `${d}/file`, O_RDWR, async (fd) => {
    const map = await bob.map(fd, PAGE_BYTES)
    await bob.mapWrite(map, 10, Buffer.from('mapped'))
    await bob.mapSync(map)
    await bob.unmap(map)
  })

const copyInto =
  (call: 'copyFileRange' | 'sendfile') =>
  ({ bob, d }: Place) =>
    withOpen(bob, `${d}/source`, O_RDONLY, (from) =>
      withOpen(bob, `${d}/file`, O_WRONLY, (to) =>
        call === 'sendfile' ? bob.sendfile(to, from, 9999) : bob.copyFileRange(from, to, 9999),
      ),
    )

const makeSource = ({ sys, d }: Place) => sys.writeFile(`${d}/source`, content)

/** Each also done to a set-ID file, of which it takes the bits. */
const dataChanges: readonly Case[] = [
  { title: 'a write over what is there', act: writeBy('bob', 0, Buffer.from('x'), 0) },
  { title: 'a write beyond the end', act: writeBy('bob', 0, Buffer.from('x'), 20 * PAGE_BYTES) },
  { title: 'a write with O_APPEND', act: writeBy('bob', O_APPEND, content, 0) },
  { title: 'a write with O_SYNC', act: writeBy('bob', O_SYNC, content, 100) },
  { title: 'a direct write', act: directWrite },
  { title: 'a write to a shared mapping', act: mapWrite },
  { title: 'copy_file_range', prepare: makeSource, act: copyInto('copyFileRange'), watched: ['source'] },
  { title: 'sendfile', prepare: makeSource, act: copyInto('sendfile'), watched: ['source'] },
  { title: 'truncate to less', act: ({ bob, d }) => bob.truncate(`${d}/file`, 7) },
  { title: 'truncate to more', act: ({ bob, d }) => bob.truncate(`${d}/file`, 9 * PAGE_BYTES) },
  {
    title: 'ftruncate',
    act: ({ bob, d }) => withOpen(bob, `${d}/file`, O_WRONLY, (fd) => bob.ftruncate(fd, 1)),
  },
  {
    title: 'open with O_TRUNC',
    act: ({ bob, d }) => withOpen(bob, `${d}/file`, O_WRONLY | O_TRUNC, () => Promise.resolve()),
  },
]

const otherChanges: readonly Case[] = [
  { title: 'a write by root to a set-ID file', mode: 0o6777, act: writeBy('sys', 0, Buffer.from('x'), 0) },
  {
    title: 'a write by a descriptor that is older than the set-ID bits',
    act: ({ sys, bob, d }) =>
      withOpen(bob, `${d}/file`, O_WRONLY, async (fd) => {
        await sys.chmod(`${d}/file`, 0o6777)
        await bob.pwrite(fd, content, 0)
      }),
  },
  { title: 'chmod', act: ({ sys, d }) => sys.chmod(`${d}/twin`, 0o4711) },
  { title: 'chmod of a directory', act: ({ sys, d }) => sys.chmod(`${d}/sub`, 0o2711) },
  {
    title: 'fchmod',
    act: ({ sys, d }) => withOpen(sys, `${d}/file`, O_RDONLY, (fd) => sys.fchmod(fd, 0o600)),
  },
  { title: 'chown', act: ({ sys, d }) => sys.chown(`${d}/twin`, BOB.uid, BOB.gid) },
  {
    title: 'chown of a set-ID file',
    mode: 0o6777,
    act: ({ sys, d }) => sys.chown(`${d}/file`, BOB.uid, -1),
  },
  { title: 'chown that changes nothing', mode: 0o6777, act: ({ sys, d }) => sys.chown(`${d}/file`, -1, -1) },
  {
    title: 'lchown of a symbolic link',
    prepare: ({ sys, d }) => sys.symlink('file', `${d}/link`),
    act: ({ sys, d }) => sys.lchown(`${d}/link`, 5, 6),
    watched: ['link'],
  },
  {
    title: 'utimensat by another name',
    act: ({ sys, d }) => sys.setTimes(`${d}/twin`, 5_000_000_001n, 6_000_000_002n),
  },
  { title: 'utimensat to now', act: ({ bob, d }) => bob.setTimes(`${d}/file`, 'now', 'now') },
  { title: 'read', isGathered: true, act: ({ bob, d }) => bob.readFile(`${d}/file`) },
  {
    title: 'a direct read',
    act: ({ bob, d }) =>
      withOpen(bob, `${d}/file`, O_RDONLY | O_DIRECT, (fd) => bob.directRead(fd, PAGE_BYTES, 0)),
  },
  {
    title: 'a read of a shared mapping',
    isCacheable: true,
    act: ({ bob, d }) =>
      withOpen(bob, `${d}/file`, O_RDWR, async (fd) => {
        const map = await bob.map(fd, PAGE_BYTES)
        await bob.mapRead(map, 0, 5)
        await bob.unmap(map)
      }),
  },
  {
    title: 'exec',
    isGathered: true,
    prepare: async ({ sys, d }) => sys.writeFile(`${d}/program`, await readFile('/usr/bin/true'), 0o755),
    act: ({ bob, d }) => bob.run(`${d}/program`),
    watched: ['program'],
  },
  {
    title: 'readlink',
    isCacheable: true,
    prepare: ({ sys, d }) => sys.symlink('file', `${d}/link`),
    act: ({ bob, d }) => bob.readlink(`${d}/link`),
    watched: ['link'],
  },
  { title: 'readdir', act: ({ bob, d }) => bob.list(`${d}/sub`) },
  {
    title: 'open that creates',
    act: ({ bob, d }) => bob.writeFile(`${d}/sub/new`, content),
    made: ['sub/new'],
  },
  {
    title: 'open that creates in a set-group-ID directory',
    prepare: ({ sys, d }) => sys.chmod(`${d}/sub`, 0o2777),
    act: ({ bob, d }) =>
      withOpen(bob, `${d}/sub/new`, O_WRONLY | O_CREAT, (fd) => bob.write(fd, Buffer.from('x'))),
    made: ['sub/new'],
  },
  {
    title: 'mkdir in a set-group-ID directory',
    prepare: ({ sys, d }) => sys.chmod(`${d}/sub`, 0o2777),
    act: ({ bob, d }) => bob.mkdir(`${d}/sub/new`, 0o755),
    made: ['sub/new'],
  },
  { title: 'mkdir', act: ({ sys, d }) => sys.mkdir(`${d}/sub/new`), made: ['sub/new'] },
  { title: 'mkfifo', act: ({ bob, d }) => bob.mkfifo(`${d}/sub/new`), made: ['sub/new'] },
  {
    title: 'mknod of a device',
    act: ({ sys, d }) => sys.mknod(`${d}/sub/new`, constants.S_IFCHR | 0o600, 1, 300),
    made: ['sub/new'],
  },
  { title: 'symlink', act: ({ bob, d }) => bob.symlink('target', `${d}/sub/new`), made: ['sub/new'] },
  { title: 'link', act: ({ sys, d }) => sys.link(`${d}/twin`, `${d}/sub/new`), made: ['sub/new'] },
  { title: 'unlink of one of two names', act: ({ sys, d }) => sys.unlink(`${d}/twin`) },
  {
    title: 'unlink of every name',
    act: async ({ sys, d }) => {
      await sys.unlink(`${d}/twin`)
      await sys.unlink(`${d}/file`)
    },
  },
  { title: 'rmdir', act: ({ sys, d }) => sys.rmdir(`${d}/sub`) },
  {
    title: 'rmdir in a directory',
    prepare: ({ sys, d }) => sys.mkdir(`${d}/sub/inner`),
    act: ({ sys, d }) => sys.rmdir(`${d}/sub/inner`),
    watched: ['sub/inner'],
  },
  {
    title: 'entries that make a directory grow',
    act: ({ sys, d }) => sys.mknodEach(`${d}/sub`, longNames, S_IFIFO | 0o666),
  },
  {
    title: 'the last of many entries',
    prepare: ({ sys, d }) => sys.mknodEach(`${d}/sub`, longNames, S_IFIFO | 0o666),
    act: ({ sys, d }) => sys.unlinkEach(`${d}/sub`, longNames),
  },
  { title: 'rename', act: ({ sys, d }) => sys.rename(`${d}/file`, `${d}/renamed`) },
  { title: 'rename into another directory', act: ({ sys, d }) => sys.rename(`${d}/file`, `${d}/sub/file`) },
  {
    title: 'rename over a file',
    prepare: ({ sys, d }) => sys.writeFile(`${d}/sub/other`, 'other'),
    act: ({ sys, d }) => sys.rename(`${d}/sub/other`, `${d}/twin`),
    watched: ['sub/other'],
  },
  {
    title: 'rename of a directory',
    prepare: ({ sys, d }) => sys.mkdir(`${d}/inner`),
    act: ({ sys, d }) => sys.rename(`${d}/inner`, `${d}/sub/inner`),
    watched: ['inner'],
  },
  {
    title: 'rename over a directory',
    prepare: ({ sys, d }) => sys.mkdir(`${d}/inner`),
    act: ({ sys, d }) => sys.rename(`${d}/inner`, `${d}/sub`),
    watched: ['inner'],
  },
  {
    title: 'rename that exchanges a file and a directory',
    prepare: async ({ sys, d }) => {
      await sys.mkdir(`${d}/inner`)
      await sys.writeFile(`${d}/sub/other`, 'other')
    },
    act: ({ sys, d }) => sys.rename(`${d}/inner`, `${d}/sub/other`, RENAME_EXCHANGE),
    watched: ['inner', 'sub/other'],
  },
]

const cases: readonly Case[] = [
  ...dataChanges,
  ...dataChanges.map((one) => ({ ...one, title: `${one.title}, of a set-ID file`, mode: 0o6777 })),
  ...otherChanges,
]

/** The names of the attributes that differ. */
function differing(one: Statx, other: Statx): StatxField[] {
  return fields.filter((field) => one[field] !== other[field])
}

/** Runs a case, and asks for one attribute as stat(2) does. @returns what had changed, and what was out of date */
async function runOnce(
  place: Place,
  one: Case,
  field: StatxField,
): Promise<{ changed: ReadonlySet<StatxField>; stale: string[] }> {
  const { sys, d } = place
  // Calls of one process are made in their order, and need not be waited for one by one.
  await Promise.all([sys.mkdir(d), sys.chmod(d, 0o777), sys.mkdir(`${d}/sub`), sys.chmod(`${d}/sub`, 0o777)])
  await sys.writeFile(`${d}/file`, content)
  await Promise.all([sys.link(`${d}/file`, `${d}/twin`), sys.chmod(`${d}/file`, one.mode ?? 0o777)])
  await one.prepare?.(place)
  const look = (name: string) => sys.open(`${d}/${name}`, O_PATH | O_NOFOLLOW)
  const forced = (fd: number) => sys.statx(fd, 'all', true)
  const watched = ['file', 'sub', ...(one.watched ?? []), '.']
  const times = watched.map((name) => sys.setTimes(`${d}/${name}`, longAgo, longAgo, AT_SYMLINK_NOFOLLOW))
  const fds = await Promise.all(watched.map(look))
  const before = await Promise.all(fds.map(forced))
  await Promise.all(times)
  await one.act(place)
  const made = one.made ?? []
  const all = [...fds, ...(await Promise.all(made.map(look)))]
  const kept = all.map((fd) => sys.statx(fd, field, false))
  const real = await Promise.all(all.map(forced))
  const names = [...watched, ...made]
  const stale: string[] = []
  for (const [n, { [field]: value }] of (await Promise.all(kept)).entries())
    if (value !== real[n]![field]) stale.push(`${field} of ${names[n]} is ${value}, not ${real[n]![field]}`)
  const changed = new Set(made.length > 0 ? fields : before.flatMap((old, n) => differing(old, real[n]!)))
  await Promise.all([...all.map((fd) => sys.close(fd)), sys.removeTree(d)])
  return { changed, stale }
}

export function cachedAttributesSuite(target: Target): void {
  void test('attributes that the kernel keeps', async (t) => {
    const d = await scratch(t, target)
    const bob = await actor(t, BOB)
    for (const [n, one] of cases.entries()) {
      const [first, ...others] = fields
      const askFor = (field: StatxField) =>
        runOnce({ sys: target.system, bob, d: `${d}/${n}-${field}` }, one, field)
      const { changed, stale } = await askFor(first!)
      for (const field of others)
        if (isExhaustive || changed.has(field)) stale.push(...(await askFor(field)).stale)
      t.same(stale, [], `after ${one.title}`)
      const isCached = one.isCacheable === true || (one.isGathered === true && target.lacks.writeThrough)
      if (isCached !== true) t.ok(changed.size > 0, `${one.title} changes something`)
    }
  })
}
