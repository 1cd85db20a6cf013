// SPDX-License-Identifier: GPL-2.0-only
/** Inode numbers: one per file, the same as long as it lives, and the same wherever they are told. */
import { constants } from 'node:fs'
import { test } from 'tap'
import type { Target } from '../../support/target.js'
import { scratch } from '../fixture.js'

const { O_RDWR } = constants

export function inodesSuite(target: Target): void {
  const { system: sys } = target
  const ino = async (path: string): Promise<bigint> => (await sys.lstat(path)).ino

  void test('files that live at the same time have different inode numbers', async (t) => {
    const d = await scratch(t, target)
    const made: bigint[] = [await ino(d)]
    for (let i = 0; i < 60; i++) {
      await sys.writeFile(`${d}/file-${i}`, '')
      await sys.mkdir(`${d}/dir-${i}`)
      await sys.symlink('x', `${d}/link-${i}`)
      await sys.mkfifo(`${d}/dir-${i}/fifo`)
      for (const name of ['file-', 'dir-', 'link-']) made.push(await ino(`${d}/${name}${i}`))
      made.push(await ino(`${d}/dir-${i}/fifo`))
    }
    t.equal(new Set(made).size, made.length)
    t.equal(made.includes(0n), false, 'zero is none')
  })

  void test('all are on one device', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/dir`)
    await sys.writeFile(`${d}/dir/file`, '')
    const { dev } = await sys.stat(d)
    t.equal((await sys.stat(`${d}/dir/file`)).dev, dev)
    t.equal((await sys.stat(target.directory)).dev, dev)
    t.not((await sys.stat(`${target.directory}/..`)).dev, dev, 'and what the mount covers is on another')
  })

  void test('an inode number stays through all that a file goes through', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/dir`)
    await sys.writeFile(`${d}/a`, 'content')
    const born = await ino(`${d}/a`)
    await sys.chmod(`${d}/a`, 0o600)
    await sys.truncate(`${d}/a`, 100_000)
    await sys.writeFile(`${d}/a`, 'other content')
    t.equal(await ino(`${d}/a`), born, 'changes')
    await sys.rename(`${d}/a`, `${d}/dir/b`)
    t.equal(await ino(`${d}/dir/b`), born, 'rename')
    await sys.link(`${d}/dir/b`, `${d}/c`)
    await sys.unlink(`${d}/dir/b`)
    t.equal(await ino(`${d}/c`), born, 'another name')
    const fd = await sys.open(`${d}/c`, O_RDWR)
    t.equal((await sys.fstat(fd)).ino, born, 'a descriptor')
    await sys.unlink(`${d}/c`)
    t.equal((await sys.fstat(fd)).ino, born, 'no name at all')
    await sys.close(fd)
  })

  void test('`.` and `..` have the numbers that the entries tell', async (t) => {
    const d = await scratch(t, target)
    await sys.mkdir(`${d}/dir`)
    await sys.mkdir(`${d}/dir/sub`)
    const [parent, own] = [await ino(`${d}/dir`), await ino(`${d}/dir/sub`)]
    t.equal(await ino(`${d}/dir/sub/.`), own)
    t.equal(await ino(`${d}/dir/sub/..`), parent)
    const told = (await sys.list(`${d}/dir`)).map((entry) => entry.ino)
    t.same(told, [own], 'the entry in the parent')
    const listing = await sys.opendir(`${d}/dir/sub`)
    const entries = await sys.readdir(listing)
    await sys.closedir(listing)
    const byName = new Map(entries.map(({ name, ino }) => [name.toString(), ino]))
    t.equal(byName.get('.'), own, 'the entry `.` in itself')
    t.equal(byName.get('..'), parent, 'the entry `..` in itself')
  })

  void test('`.` and `..` of the root', async (t) => {
    const root = await sys.stat(target.directory)
    t.equal(await ino(`${target.directory}/.`), root.ino)
    const listing = await sys.opendir(target.directory)
    const entries = await sys.readdir(listing)
    await sys.closedir(listing)
    t.equal(entries.find(({ name }) => name.toString() === '.')?.ino, root.ino)
    t.equal(entries.filter(({ name }) => name.toString() === '..').length, 1)
    t.not((await sys.stat(`${target.directory}/..`)).dev, root.dev, '`..` leads out of the mount')
  })
}
