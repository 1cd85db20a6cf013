// SPDX-License-Identifier: GPL-2.0-only
/** readdir(3): every entry once, with its type, while others come and go, and from any place again. */
import { constants } from 'node:fs'
import { test } from 'tap'
import { directoryEntryType, type Entry, outcome } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { actor, scratch, sequence } from '../fixture.js'

const { S_IFREG, S_IFBLK, S_IFCHR } = constants
const MANY = 10_000

const nameOf = ({ name }: Entry): string => name.toString()
const numbered = (count: number, prefix: string): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}-${String(i).padStart(5, '0')}`)

export function readdirSuite(target: Target): void {
  const { system: sys } = target

  const fill = (d: string, names: readonly string[]) => sys.mknodEach(d, names, S_IFREG | 0o600)

  void test('an entry tells its type and inode number', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/file`, '')
    await sys.mkdir(`${d}/directory`)
    await sys.symlink('x', `${d}/link`)
    await sys.mkfifo(`${d}/fifo`)
    await sys.mknod(`${d}/character`, S_IFCHR | 0o600, 1, 3)
    await sys.mknod(`${d}/block`, S_IFBLK | 0o600, 1, 3)
    await sys.mknod(`${d}/socket`, constants.S_IFSOCK | 0o600)
    const listing = await sys.opendir(d)
    const entries = await sys.readdir(listing)
    await sys.closedir(listing)
    t.equal(entries.length, 9, '`.` and `..` are among them')
    const wanted: Record<string, number> = {
      ...directoryEntryType,
      '.': directoryEntryType.directory,
      '..': directoryEntryType.directory,
    }
    for (const entry of entries) {
      const name = nameOf(entry)
      t.equal(entry.type, wanted[name], `${name}: type`)
      t.equal(entry.ino, (await sys.lstat(`${d}/${name}`)).ino, `${name}: inode number`)
    }
  })

  void test('an empty directory, and what is none', async (t) => {
    const d = await scratch(t, target)
    const listing = await sys.opendir(d)
    t.same((await sys.readdir(listing)).map(nameOf).sort(), ['.', '..'])
    t.same(await sys.readdir(listing), [], 'the end stays the end')
    await sys.closedir(listing)
    await sys.writeFile(`${d}/file`, '')
    t.equal(await outcome(sys.opendir(`${d}/file`)), 'ENOTDIR')
    t.equal(await outcome(sys.opendir(`${d}/none`)), 'ENOENT')
  })

  void test('ten thousand entries, each once', async (t) => {
    const d = await scratch(t, target)
    const names = numbered(MANY, 'entry')
    await fill(d, names)
    const entries = await sys.list(d)
    t.equal(entries.length, MANY)
    t.same(entries.map(nameOf).sort(), names)
    t.equal(new Set(entries.map(({ ino }) => ino)).size, MANY, 'each with an inode number of its own')
    t.equal(
      entries.every(({ type }) => type === directoryEntryType.file),
      true,
    )

    await sys.unlinkEach(
      d,
      names.filter((_, i) => i % 3 !== 0),
    )
    const left = names.filter((_, i) => i % 3 === 0)
    t.same((await sys.list(d)).map(nameOf).sort(), left, 'after two thirds were removed')
    await fill(d, numbered(1000, 'again'))
    t.same((await sys.list(d)).map(nameOf).sort(), [...numbered(1000, 'again'), ...left], 'and others came')
  })

  void test('entries that stay are listed once while others come and go', async (t) => {
    const d = await scratch(t, target)
    const other = await actor(t)
    const [staying, going] = [numbered(1500, 'staying'), numbered(1500, 'going')]
    await fill(
      d,
      staying.flatMap((name, i) => [name, going[i]!]),
    )
    const listing = await sys.opendir(d)
    const found: string[] = []
    for (let step = 0; ; step++) {
      const entries = await sys.readdir(listing, 50)
      if (entries.length === 0) break
      found.push(...entries.map(nameOf))
      const gone = going.splice(0, 25)
      await other.unlinkEach(d, gone)
      await other.mknodEach(d, numbered(25, `coming-${step}`), S_IFREG | 0o600)
      if (step > 1000) throw new Error('the listing does not end')
    }
    await sys.closedir(listing)
    t.same(
      found.filter((name) => name.startsWith('staying')).sort(),
      staying,
      'each of those that stay, once',
    )
    t.equal(new Set(found).size, found.length, 'and none of the others twice')
  })

  void test('removing what was just listed removes all', async (t) => {
    const d = await scratch(t, target)
    await fill(d, numbered(2000, 'entry'))
    const listing = await sys.opendir(d)
    let removed = 0
    for (;;) {
      const entries = (await sys.readdir(listing, 37)).filter((entry) => !nameOf(entry).startsWith('.'))
      if (entries.length === 0) break
      await sys.unlinkEach(d, entries.map(nameOf))
      removed += entries.length
    }
    await sys.closedir(listing)
    t.equal(removed, 2000)
    t.same(await sys.names(d), [])
  })

  void test('seekdir goes back to where telldir was', async (t) => {
    const d = await scratch(t, target)
    await fill(d, numbered(700, 'entry'))
    const listing = await sys.opendir(d)
    const positions: bigint[] = []
    const order: string[] = []
    for (;;) {
      positions.push(await sys.telldir(listing))
      const [entry] = await sys.readdir(listing, 1)
      if (entry === undefined) break
      order.push(nameOf(entry))
    }
    t.equal(order.length, 702)
    t.equal(new Set(positions.slice(0, -1)).size, 702, 'every entry has a place of its own')
    const next = sequence(7)
    for (let turn = 0; turn < 60; turn++) {
      const index = next(order.length)
      await sys.seekdir(listing, positions[index]!)
      const found = (await sys.readdir(listing, 3)).map(nameOf)
      if (found.join() !== order.slice(index, index + 3).join()) t.fail(`from ${index}: ${found.join()}`)
    }
    await sys.seekdir(listing, positions[0]!)
    t.same((await sys.readdir(listing)).map(nameOf), order, 'from the beginning, the same order')
    await sys.seekdir(listing, positions.at(-1)!)
    t.same(await sys.readdir(listing), [], 'from the end, nothing')
    await sys.closedir(listing)
  })

  void test('a place holds although the entries before it go', async (t) => {
    const d = await scratch(t, target)
    await fill(d, numbered(600, 'entry'))
    const listing = await sys.opendir(d)
    const first = (await sys.readdir(listing, 300)).map(nameOf).filter((name) => !name.startsWith('.'))
    const place = await sys.telldir(listing)
    const rest = (await sys.readdir(listing)).map(nameOf).filter((name) => !name.startsWith('.'))
    t.equal(first.length + rest.length, 600)
    await sys.unlinkEach(d, first)
    await sys.seekdir(listing, place)
    const again = (await sys.readdir(listing)).map(nameOf).filter((name) => !name.startsWith('.'))
    t.same(again.sort(), rest.sort())
    await sys.closedir(listing)
  })

  void test('rewinddir sees what has changed', async (t) => {
    const d = await scratch(t, target)
    await fill(d, ['a', 'b', 'c'])
    const listing = await sys.opendir(d)
    t.same((await sys.readdir(listing)).map(nameOf).sort(), ['.', '..', 'a', 'b', 'c'])
    await sys.unlink(`${d}/b`)
    await sys.mkdir(`${d}/d`)
    await sys.rename(`${d}/c`, `${d}/e`)
    await sys.rewinddir(listing)
    t.same((await sys.readdir(listing)).map(nameOf).sort(), ['.', '..', 'a', 'd', 'e'])
    await sys.closedir(listing)
  })

  void test('two listings of one directory do not disturb each other', async (t) => {
    const d = await scratch(t, target)
    const names = numbered(400, 'entry')
    await fill(d, names)
    const listings = [await sys.opendir(d), await sys.opendir(d)]
    const found: string[][] = [[], []]
    for (let turn = 0; turn < 60; turn++) {
      for (const [index, listing] of listings.entries()) {
        found[index]!.push(...(await sys.readdir(listing, index === 0 ? 10 : 7)).map(nameOf))
      }
    }
    for (const [index, listing] of listings.entries()) {
      t.same(found[index]!.filter((name) => !name.startsWith('.')).sort(), names, `listing ${index}`)
      await sys.closedir(listing)
    }
  })

  void test('a listing shows a name that was replaced once, with the new type', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    await sys.list(d)
    await sys.unlink(`${d}/a`)
    await sys.mkdir(`${d}/a`)
    const entries = await sys.list(d)
    t.same(
      entries.map(({ type, ino }) => [type, ino]),
      [[directoryEntryType.directory, (await sys.stat(`${d}/a`)).ino]],
    )
  })
}
