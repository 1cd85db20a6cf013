// SPDX-License-Identifier: GPL-2.0-only
/** Directories of few and of many names: finding one, missing one, adding and removing one. */
import { BlockMap } from '../../src/fs/block-map.js'
import { Directory } from '../../src/fs/directory.js'
import { InodeTable } from '../../src/fs/inode-table.js'
import { Inode, inodeField } from '../../src/fs/inode.js'
import type { Name } from '../../src/fs/name.js'
import { NameHash } from '../../src/fs/name-hash.js'
import { nameOf, newInode } from '../../test/support/engine-caller.js'
import type { MemoryVolume } from '../../test/support/memory-volume.js'
import { root } from '../../test/support/test-volume.js'
import { type Case, type Subject, keep } from './subject.js'

const sizes = [10, 100_000]
/** Names that take turns; a power of two. */
const mostNames = 4096
const regularFile = 8

function makeNames(prefix: string, count: number): Name[] {
  return Array.from({ length: count }, (_, n) => nameOf(`${prefix}-${String(n).padStart(6, '0')}`))
}

function fill({ engine }: MemoryVolume, entries: number): number {
  const number = engine.create(root, nameOf(`directory ${entries}`), newInode(0o040755, 0))
  for (const name of makeNames('file', entries)) {
    const made = engine.create(number, name, newInode(0o100644, 0))
    if (made < 0) throw new Error(`create: errno ${-made}`)
    engine.forget(made, 1)
  }
  return number
}

function casesOf(volume: MemoryVolume, entries: number): Case[] {
  const { medium, area, tx } = volume
  const { hashKey0, hashKey1 } = volume.volume.setting
  const directory = new Directory(medium, area, new NameHash(hashKey0, hashKey1))
  const inode = new Inode(medium)
  new InodeTable(medium, new BlockMap(medium, area), volume.volume.state).open(fill(volume, entries), inode)
  const known = makeNames('file', entries)
  const missing = makeNames('none', mostNames)
  let n = 0
  // Far apart, so that a leaf is not met again while it is in the cache for that.
  const next = () => (n = (n + 7919) % entries)
  const begin = () => {
    tx.begin()
    inode.saveContents(tx)
    inode.save(tx, inodeField.entries, 1)
  }
  const of = `${entries.toLocaleString('en')} entries`
  return [
    { name: `lookup, there, ${of}`, call: () => keep(directory.lookup(inode, known[next()]!)) },
    {
      name: `lookup, not there, ${of}`,
      call: () => keep(directory.lookup(inode, missing[next() & (mostNames - 1)]!)),
    },
    {
      name: `insert and remove, ${of}`,
      call: () => {
        const name = missing[next() & (mostNames - 1)]!
        begin()
        directory.insert(tx, inode, name, root, regularFile)
        tx.end()
        begin()
        directory.remove(tx, inode, name)
        tx.end()
      },
    },
  ]
}

export const directory: Subject = {
  title: 'directory',
  prepare: (volume) => sizes.flatMap((entries) => casesOf(volume, entries)),
}
