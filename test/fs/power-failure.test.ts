// SPDX-License-Identifier: GPL-2.0-only
/** Names under loss of power: every call that changes them happens whole or not at all, and lasts once it returned. */
import { test } from 'tap'
import {
  flagAppend,
  flagDirSync,
  flagImmutable,
  flagNoAtime,
  flagNoDump,
  flagProjectInherit,
  flagSync,
} from '../../layout/inode.js'
import { RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../../src/fs/rename.js'
import { exploreCall } from '../support/crash-explorer.js'
import { casesFor, useDevicesBySeed } from '../support/medium-in-use.js'
import { Random, seed } from '../support/random.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

useDevicesBySeed()

interface Scenario {
  readonly name: string
  /** @returns a name for the call, where it needs one */
  readonly prepare: (volume: TestVolume) => string | undefined
  readonly call: (volume: TestVolume, name: string) => unknown
}

const random = new Random(seed)

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

/** A tree with something of everything. */
function plant({ caller }: TestVolume): undefined {
  const a = must(caller.mkdir(root, 'a'))
  const b = must(caller.mkdir(root, 'b'))
  const inner = must(caller.mkdir(a, 'inner'))
  must(caller.mkdir(a, 'empty'))
  const one = must(caller.file(a, 'one'))
  must(caller.write(one, 0, Buffer.from('one of them')))
  const two = must(caller.file(b, 'two'))
  must(caller.write(two, 0, new Random(1).bytes(9000)))
  must(caller.link(one, b, 'linked'))
  must(caller.symlink(inner, 'short', 'target'))
  must(caller.symlink(inner, 'long', 't'.repeat(300)))
  must(caller.mkdir(b, 'vacant'))
  for (const inode of [a, b, inner, one, one, two]) caller.forget(inode)
}

/** Makes names of so many bytes until one more would split a leaf. @returns the names, and the one that would */
function fillLeaf(volume: TestVolume, nameBytes: number, atLeast = 0): { names: string[]; next: string } {
  const { caller } = volume
  const names: string[] = []
  for (let n = 0; ; n++) {
    const next = `${n}-`.padEnd(nameBytes, 'x')
    const copy = TestVolume.open(volume.medium.clone())
    const size = copy.caller.attributes(root).size
    must(copy.caller.file(root, next))
    const grows = size > 0 && copy.caller.attributes(root).size > size
    copy.drop()
    if (grows && n >= atLeast) return { names, next }
    caller.forget(must(caller.file(root, next)))
    names.push(next)
  }
}

/** Makes the name that {@link fillLeaf} found, and sees that a leaf was split. */
function split(volume: TestVolume, name: string): void {
  const { size } = volume.caller.attributes(root)
  must(volume.caller.file(root, name))
  if (volume.caller.attributes(root).size <= size) throw new Error('no leaf was split')
}

const at = (volume: TestVolume, ...path: string[]): number => {
  let inode = root
  for (const name of path) {
    inode = must(volume.caller.lookup(inode, name))
    volume.caller.forget(inode)
  }
  return inode
}

const scenarios: readonly Scenario[] = [
  {
    name: 'create in an empty volume',
    prepare: () => undefined,
    call: (v) => must(v.caller.file(root, 'first')),
  },
  { name: 'create', prepare: plant, call: (v) => must(v.caller.file(at(v, 'a'), 'new')) },
  {
    name: 'create, a long name',
    prepare: plant,
    call: (v) => must(v.caller.file(at(v, 'a'), 'n'.repeat(255))),
  },
  { name: 'mkdir', prepare: plant, call: (v) => must(v.caller.mkdir(at(v, 'a', 'empty'), 'new')) },
  { name: 'mknod', prepare: plant, call: (v) => must(v.caller.make(root, 'null', 0o020666, 0x103)) },
  { name: 'mkfifo', prepare: plant, call: (v) => must(v.caller.make(root, 'fifo', 0o010666)) },
  {
    name: 'create that adds a block of inodes',
    prepare: (v) => {
      for (let n = 0; n < 30; n++) must(v.caller.make(root, `f${n}`, 0o010644))
      return undefined
    },
    call: (v) => must(v.caller.file(root, 'one more')),
  },
  { name: 'symlink, short', prepare: plant, call: (v) => must(v.caller.symlink(root, 's', 'x'.repeat(128))) },
  { name: 'symlink, long', prepare: plant, call: (v) => must(v.caller.symlink(root, 's', 'x'.repeat(129))) },
  {
    name: 'symlink, longest',
    prepare: plant,
    call: (v) => must(v.caller.symlink(root, 's', 'x'.repeat(4095))),
  },
  { name: 'link', prepare: plant, call: (v) => must(v.caller.link(at(v, 'a', 'one'), root, 'third')) },
  { name: 'nameless file', prepare: plant, call: (v) => v.caller.forget(must(v.caller.nameless(root))) },
  {
    name: 'link of a nameless file',
    prepare: plant,
    call: (v) => {
      const inode = must(v.caller.nameless(root))
      must(v.caller.nameless(root))
      v.medium.stopRecording()
      v.medium.startRecording()
      must(v.caller.link(inode, root, 'named'))
    },
  },
  { name: 'unlink, the last name', prepare: plant, call: (v) => must(v.caller.unlink(at(v, 'b'), 'two')) },
  {
    name: 'unlink, not the last name',
    prepare: plant,
    call: (v) => must(v.caller.unlink(at(v, 'b'), 'linked')),
  },
  {
    name: 'unlink of a short link',
    prepare: plant,
    call: (v) => must(v.caller.unlink(at(v, 'a', 'inner'), 'short')),
  },
  {
    name: 'unlink of a long link',
    prepare: plant,
    call: (v) => must(v.caller.unlink(at(v, 'a', 'inner'), 'long')),
  },
  {
    name: 'flags',
    prepare: plant,
    call: (v) => must(v.caller.setFlags(at(v, 'a', 'one'), flagAppend | flagNoDump)),
  },
  {
    name: 'flags and project',
    prepare: (v) => {
      plant(v)
      must(v.caller.setFlags(at(v, 'b'), flagImmutable | flagSync, 5))
      return undefined
    },
    call: (v) => must(v.caller.setFlags(at(v, 'b'), flagProjectInherit | flagDirSync, 0xffff_fff0)),
  },
  {
    name: 'create of what takes over flags and project',
    prepare: (v) => {
      plant(v)
      must(v.caller.setFlags(at(v, 'b'), flagProjectInherit | flagNoAtime | flagDirSync, 7))
      return undefined
    },
    call: (v) => must(v.caller.mkdir(at(v, 'b'), 'inner')),
  },
  {
    name: 'symlink that takes over flags',
    prepare: (v) => {
      plant(v)
      must(v.caller.setFlags(at(v, 'b'), flagNoAtime))
      return undefined
    },
    call: (v) => must(v.caller.symlink(at(v, 'b'), 's', 'short')),
  },
  { name: 'free blocks given back', prepare: plant, call: (v) => must(v.caller.trim()) },
  {
    name: 'unlink while open, then closed',
    prepare: (v) => {
      plant(v)
      must(v.caller.lookup(at(v, 'b'), 'two'))
      return undefined
    },
    call: (v) => {
      const inode = at(v, 'b', 'two')
      must(v.caller.unlink(at(v, 'b'), 'two'))
      v.caller.forget(inode)
    },
  },
  { name: 'rmdir', prepare: plant, call: (v) => must(v.caller.rmdir(at(v, 'a'), 'empty')) },
  {
    name: 'rmdir of a directory that had been large',
    prepare: (v) => {
      plant(v)
      const empty = at(v, 'a', 'empty')
      const names = Array.from({ length: 200 }, (_, n) => `${n}`.padEnd(60, 'y'))
      for (const name of names) v.caller.forget(must(v.caller.make(empty, name, 0o010644)))
      for (const name of names) must(v.caller.unlink(empty, name))
      return undefined
    },
    call: (v) => must(v.caller.rmdir(at(v, 'a'), 'empty')),
  },
  {
    name: 'rename in one directory',
    prepare: plant,
    call: (v) => must(v.caller.rename(at(v, 'a'), 'one', at(v, 'a'), 'x')),
  },
  {
    name: 'rename across',
    prepare: plant,
    call: (v) => must(v.caller.rename(at(v, 'a'), 'one', at(v, 'b'), 'x')),
  },
  {
    name: 'rename over the last name of a file',
    prepare: plant,
    call: (v) => must(v.caller.rename(at(v, 'a'), 'one', at(v, 'b'), 'two')),
  },
  {
    name: 'rename over a file that keeps a name',
    prepare: plant,
    call: (v) => must(v.caller.rename(at(v, 'b'), 'two', at(v, 'a'), 'one')),
  },
  {
    name: 'rename of a directory across',
    prepare: plant,
    call: (v) => must(v.caller.rename(at(v, 'a'), 'inner', at(v, 'b'), 'outer', RENAME_NOREPLACE)),
  },
  {
    name: 'rename of a directory over another',
    prepare: plant,
    call: (v) => must(v.caller.rename(at(v, 'a'), 'inner', at(v, 'b'), 'vacant')),
  },
  {
    name: 'rename of a directory over its neighbour',
    prepare: plant,
    call: (v) => must(v.caller.rename(at(v, 'a'), 'inner', at(v, 'a'), 'empty')),
  },
  {
    name: 'exchange in one directory',
    prepare: plant,
    call: (v) => must(v.caller.rename(at(v, 'a'), 'one', at(v, 'a'), 'inner', RENAME_EXCHANGE)),
  },
  {
    name: 'exchange of a directory and a file across',
    prepare: plant,
    call: (v) => must(v.caller.rename(at(v, 'a'), 'inner', at(v, 'b'), 'two', RENAME_EXCHANGE)),
  },
  {
    name: 'exchange of directories across',
    prepare: plant,
    call: (v) => must(v.caller.rename(at(v, 'a'), 'inner', at(v, 'b'), 'vacant', RENAME_EXCHANGE)),
  },
  {
    name: 'whiteout',
    prepare: plant,
    call: (v) => must(v.caller.rename(at(v, 'a'), 'one', at(v, 'b'), 'new', RENAME_WHITEOUT)),
  },
  {
    name: 'whiteout over a file in one directory',
    prepare: plant,
    call: (v) => must(v.caller.rename(at(v, 'b'), 'linked', at(v, 'b'), 'two', RENAME_WHITEOUT)),
  },
  {
    name: 'create that gives a directory its first node',
    prepare: (v) => fillLeaf(v, 40).next,
    call: split,
  },
  {
    name: 'create that splits a leaf under a node',
    prepare: (v) => fillLeaf(v, 250, 40).next,
    call: split,
  },
  {
    name: 'create that compacts a leaf',
    prepare: (v) => {
      const { names } = fillLeaf(v, 40)
      for (const name of names.slice(0, (names.length * 2) / 3)) must(v.caller.unlink(root, name))
      return undefined
    },
    call: (v) => must(v.caller.file(root, 'z'.repeat(255))),
  },
  {
    name: 'rename whose new name splits the leaf of the old one',
    prepare: (v) => fillLeaf(v, 40).next,
    call: (v) => {
      const { size } = v.caller.attributes(root)
      must(v.caller.rename(root, '0-'.padEnd(40, 'x'), root, 'renamed'.repeat(20)))
      if (v.caller.attributes(root).size <= size) throw new Error('no leaf was split')
    },
  },
]

void test('names are changed whole or not at all', (t) => {
  for (const { name, prepare, call } of casesFor(scenarios)) {
    const volume = TestVolume.make(256)
    const next = prepare(volume) ?? ''
    volume.caller.setClock(epoch + 5000)
    const { failures, images, fences } = exploreCall(volume, (v) => void call(v, next), random)
    t.same(failures.slice(0, 5), [], `${name}: ${images} images around ${fences} fences (PMFS2_SEED=${seed})`)
    volume.drop()
  }
  t.end()
})
