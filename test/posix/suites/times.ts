// SPDX-License-Identifier: GPL-2.0-only
/** Which calls move atime, mtime and ctime, of what they change and of the directory that holds it. */
import { constants } from 'node:fs'
import { test } from 'tap'
import type { Stat, System } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { scratch, tick } from '../fixture.js'

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_EXCL } = constants
const CHANGED = 'mtime ctime'
const SECOND = 1_000_000_000n

interface Case {
  readonly title: string
  readonly prepare?: (sys: System, d: string) => Promise<unknown>
  readonly act: (sys: System, d: string) => Promise<unknown>
  /** For each path, below the scratch directory, the times that move. */
  readonly moves: Readonly<Record<string, string>>
}

async function openAndClose(sys: System, path: string, flags: number): Promise<void> {
  await sys.close(await sys.open(path, flags))
}
async function writeAt(sys: System, path: string, text: string): Promise<void> {
  const fd = await sys.open(path, O_WRONLY)
  await sys.write(fd, Buffer.from(text))
  await sys.close(fd)
}

/** Before each: directories `.` and `other`, and a file `a` with content. */
const CASES: readonly Case[] = [
  { title: 'stat', act: (sys, d) => sys.stat(`${d}/a`), moves: { a: '', '.': '' } },
  {
    title: 'open of a file that exists',
    act: (sys, d) => openAndClose(sys, `${d}/a`, O_RDWR | O_CREAT),
    moves: { a: '', '.': '' },
  },
  {
    title: 'open that creates',
    act: (sys, d) => openAndClose(sys, `${d}/b`, O_RDWR | O_CREAT | O_EXCL),
    moves: { '.': CHANGED, other: '' },
  },
  {
    title: 'open with O_TRUNC',
    act: (sys, d) => openAndClose(sys, `${d}/a`, O_WRONLY | O_TRUNC),
    moves: { a: CHANGED, '.': '' },
  },
  { title: 'write', act: (sys, d) => writeAt(sys, `${d}/a`, 'x'), moves: { a: CHANGED, '.': '' } },
  { title: 'write of nothing', act: (sys, d) => writeAt(sys, `${d}/a`, ''), moves: { a: '', '.': '' } },
  { title: 'truncate, smaller', act: (sys, d) => sys.truncate(`${d}/a`, 1), moves: { a: CHANGED, '.': '' } },
  {
    title: 'truncate, larger',
    act: (sys, d) => sys.truncate(`${d}/a`, 9999),
    moves: { a: CHANGED, '.': '' },
  },
  { title: 'mkdir', act: (sys, d) => sys.mkdir(`${d}/b`), moves: { '.': CHANGED, other: '' } },
  {
    title: 'rmdir',
    prepare: (sys, d) => sys.mkdir(`${d}/b`),
    act: (sys, d) => sys.rmdir(`${d}/b`),
    moves: { '.': CHANGED, other: '' },
  },
  { title: 'symlink', act: (sys, d) => sys.symlink('a', `${d}/b`), moves: { '.': CHANGED, a: '' } },
  { title: 'mkfifo', act: (sys, d) => sys.mkfifo(`${d}/b`), moves: { '.': CHANGED } },
  {
    title: 'link',
    act: (sys, d) => sys.link(`${d}/a`, `${d}/other/b`),
    moves: { a: 'ctime', other: CHANGED, '.': '' },
  },
  {
    title: 'unlink of one of two names',
    prepare: (sys, d) => sys.link(`${d}/a`, `${d}/other/b`),
    act: (sys, d) => sys.unlink(`${d}/other/b`),
    moves: { a: 'ctime', other: CHANGED, '.': '' },
  },
  {
    title: 'rename within a directory',
    prepare: (sys, d) => sys.link(`${d}/a`, `${d}/b`),
    act: (sys, d) => sys.rename(`${d}/b`, `${d}/c`),
    moves: { a: 'ctime', '.': CHANGED, other: '' },
  },
  {
    title: 'rename into another directory',
    prepare: (sys, d) => sys.link(`${d}/a`, `${d}/b`),
    act: (sys, d) => sys.rename(`${d}/b`, `${d}/other/c`),
    moves: { a: 'ctime', '.': CHANGED, other: CHANGED },
  },
  {
    title: 'rename over a file',
    prepare: async (sys, d) => {
      await sys.link(`${d}/a`, `${d}/other/b`)
      await sys.writeFile(`${d}/c`, '')
    },
    act: (sys, d) => sys.rename(`${d}/c`, `${d}/other/b`),
    moves: { a: 'ctime', '.': CHANGED, other: CHANGED },
  },
  { title: 'chmod', act: (sys, d) => sys.chmod(`${d}/a`, 0o600), moves: { a: 'ctime', '.': '' } },
  { title: 'chown', act: (sys, d) => sys.chown(`${d}/a`, 5, 5), moves: { a: 'ctime', '.': '' } },
  {
    title: 'chmod of a directory',
    act: (sys, d) => sys.chmod(`${d}/other`, 0o700),
    moves: { other: 'ctime', '.': '' },
  },
  {
    title: 'lchown of a symbolic link',
    prepare: (sys, d) => sys.symlink('a', `${d}/link`),
    act: (sys, d) => sys.lchown(`${d}/link`, 5, 5),
    moves: { link: 'ctime', a: '', '.': '' },
  },
  { title: 'a lookup that finds nothing', act: (sys, d) => sys.access(`${d}/none`, 0), moves: { '.': '' } },
]

function moved(before: Stat, after: Stat): string {
  const names = ['atime', 'mtime', 'ctime'] as const
  return names.filter((name) => before[`${name}Ns`] !== after[`${name}Ns`]).join(' ')
}

function statAll(sys: System, d: string, paths: readonly string[]): Promise<Stat[]> {
  return Promise.all(paths.map((path) => sys.lstat(`${d}/${path}`)))
}

export function timesSuite(target: Target): void {
  const { system: sys } = target

  for (const { title, prepare, act, moves } of CASES) {
    void test(`times that ${title} moves`, async (t) => {
      const d = await scratch(t, target)
      await sys.writeFile(`${d}/a`, 'content')
      await sys.mkdir(`${d}/other`)
      await prepare?.(sys, d)
      const before = await statAll(sys, d, Object.keys(moves))
      await tick()
      await act(sys, d)
      const after = await statAll(sys, d, Object.keys(moves))
      for (const [index, path] of Object.keys(moves).entries()) {
        t.equal(moved(before[index]!, after[index]!), moves[path], path)
        t.ok(after[index]!.ctimeNs >= before[index]!.ctimeNs, `${path}: ctime does not go back`)
      }
    })
  }

  void test('a new file is of now', async (t) => {
    const d = await scratch(t, target)
    const earliest = BigInt(Date.now() - 1000) * 1_000_000n
    await sys.writeFile(`${d}/file`, '')
    await sys.mkdir(`${d}/directory`)
    await sys.symlink('file', `${d}/link`)
    await sys.mkfifo(`${d}/fifo`)
    for (const name of ['file', 'directory', 'link', 'fifo']) {
      const { atimeNs, mtimeNs, ctimeNs } = await sys.lstat(`${d}/${name}`)
      const latest = BigInt(Date.now() + 1000) * 1_000_000n
      for (const time of [atimeNs, mtimeNs, ctimeNs]) t.ok(time > earliest && time < latest, name)
      t.equal(mtimeNs, ctimeNs, `${name}: changed when made`)
    }
  })

  void test('a write through one of two names shows at the other', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'content')
    await sys.link(`${d}/a`, `${d}/b`)
    await tick()
    await writeAt(sys, `${d}/b`, 'x')
    t.same(await sys.stat(`${d}/a`), await sys.stat(`${d}/b`))
  })

  void test('times of an open file move with each write', async (t) => {
    const d = await scratch(t, target)
    const fd = await sys.open(`${d}/a`, O_RDWR | O_CREAT)
    let last = await sys.fstat(fd)
    for (let turn = 0; turn < 3; turn++) {
      await tick()
      await sys.write(fd, Buffer.from('x'))
      const now = await sys.fstat(fd)
      t.ok(now.mtimeNs > last.mtimeNs, 'mtime moves on')
      t.ok(now.ctimeNs > last.ctimeNs, 'ctime moves on')
      last = now
    }
    await sys.close(fd)
    t.equal((await sys.stat(`${d}/a`)).mtimeNs, last.mtimeNs, 'close moves nothing')
  })

  void test('each change that a stat follows has a time of its own', async (t) => {
    const d = await scratch(t, target)
    const changes = [
      () => writeAt(sys, `${d}/a`, 'x'),
      () => sys.chmod(`${d}/a`, 0o600),
      () => sys.truncate(`${d}/a`, 3),
    ]
    await sys.writeFile(`${d}/a`, 'content')
    let last = await sys.stat(`${d}/a`)
    for (let n = 0; n < 12; n++) {
      await changes[n % changes.length]!()
      const now = await sys.stat(`${d}/a`)
      if (target.lacks.fineTimes !== true) t.ok(now.ctimeNs > last.ctimeNs, `change ${n}`)
      else t.ok(now.ctimeNs >= last.ctimeNs, `change ${n}`)
      last = now
    }
    await sys.writeFile(`${d}/b`, '')
    t.ok((await sys.stat(`${d}/b`)).ctimeNs >= last.ctimeNs, 'what comes later has no earlier time')
  })

  void test('read and readdir move atime', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, 'content')
    const now = BigInt(Date.now()) * 1_000_000n
    // relatime: only an atime that is older than mtime moves.
    for (const path of [`${d}/a`, d]) await sys.setTimes(path, now - 50n * SECOND, now - 20n * SECOND)
    const [file, directory] = await statAll(sys, d, ['a', '.'])
    await tick()
    const fd = await sys.open(`${d}/a`, O_RDONLY)
    t.equal((await sys.read(fd, 7)).toString(), 'content')
    await sys.close(fd)
    await sys.list(d)
    const [fileAfter, directoryAfter] = await statAll(sys, d, ['a', '.'])
    // What was written is in the page cache where the kernel gathers writes.
    if (target.lacks.writeThrough !== true) t.equal(moved(file!, fileAfter!), 'atime', 'read')
    t.equal(moved(directory!, directoryAfter!), 'atime', 'readdir')
  })
}
