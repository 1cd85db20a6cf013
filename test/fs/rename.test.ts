// SPDX-License-Identifier: GPL-2.0-only
/** The corners of rename(2), renameat2(2) and of names in general that random sequences seldom meet. */
import { test } from 'tap'
import { EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, ESTALE } from '../../src/fs/errno.js'
import { RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from '../../src/fs/rename.js'
import type { EngineCaller } from '../support/engine-caller.js'
import { problemsOf } from '../support/invariants.js'
import { TestVolume, root } from '../support/test-volume.js'
import type { TearsDown } from '../support/temporary.js'
import { treeOf } from '../support/tree.js'

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

interface Tree {
  readonly volume: TestVolume
  readonly caller: EngineCaller
  /** Directories /a, /a/b, /a/b/c, /d; files /a/f, /d/g. */
  readonly a: number
  readonly b: number
  readonly c: number
  readonly d: number
  readonly f: number
  readonly g: number
}

function plant(t: TearsDown): Tree {
  const volume = TestVolume.of(t, 256)
  const { caller } = volume
  const a = must(caller.mkdir(root, 'a'))
  const b = must(caller.mkdir(a, 'b'))
  const c = must(caller.mkdir(b, 'c'))
  const d = must(caller.mkdir(root, 'd'))
  return { volume, caller, a, b, c, d, f: must(caller.file(a, 'f')), g: must(caller.file(d, 'g')) }
}

void test('what rename refuses changes nothing', (t) => {
  const { volume, caller, a, b, c, d } = plant(t)
  const before = treeOf(caller)
  const refused: [expected: number, result: () => number, what: string][] = [
    [-EINVAL, () => caller.rename(root, 'a', a, 'x'), 'into itself'],
    [-EINVAL, () => caller.rename(root, 'a', c, 'x'), 'below itself'],
    [-EINVAL, () => caller.rename(root, 'a', b, 'c'), 'over its own descendant'],
    [-EINVAL, () => caller.rename(a, 'b', root, 'a', RENAME_EXCHANGE), 'exchange with its parent'],
    [-EINVAL, () => caller.rename(root, 'a', a, 'b', RENAME_EXCHANGE), 'exchange with its child'],
    [-EINVAL, () => caller.rename(root, 'a', b, 'c', RENAME_EXCHANGE), 'exchange with its grandchild'],
    [-ENOTEMPTY, () => caller.rename(a, 'b', root, 'a'), 'over its parent'],
    [-ENOTEMPTY, () => caller.rename(a, 'f', root, 'a'), 'a file over its parent'],
    [-ENOTEMPTY, () => caller.rename(root, 'd', root, 'a'), 'over a directory with entries'],
    [-EISDIR, () => caller.rename(a, 'f', b, 'c'), 'a file over a directory'],
    [-ENOTDIR, () => caller.rename(b, 'c', a, 'f'), 'a directory over a file'],
    [-EEXIST, () => caller.rename(a, 'f', d, 'g', RENAME_NOREPLACE), 'over what is there'],
    [-EEXIST, () => caller.rename(a, 'f', a, 'f', RENAME_NOREPLACE), 'over itself'],
    [-ENOENT, () => caller.rename(a, 'x', d, 'g'), 'what is not there'],
    [-ENOENT, () => caller.rename(a, 'f', d, 'x', RENAME_EXCHANGE), 'exchange with what is not there'],
    [-EINVAL, () => caller.rename(a, 'f', d, 'g', RENAME_EXCHANGE | RENAME_NOREPLACE), 'both flags'],
    [-EINVAL, () => caller.rename(a, 'f', d, 'g', RENAME_EXCHANGE | RENAME_WHITEOUT), 'both flags'],
    [-EINVAL, () => caller.rename(a, 'f', d, 'g', 8), 'an unknown flag'],
    [-ENOTDIR, () => caller.rename(caller.lookup(a, 'f'), 'x', d, 'g'), 'from a file'],
    [-ESTALE, () => caller.rename(a, 'f', 777, 'x'), 'to no inode'],
  ]
  for (const [expected, result, what] of refused) {
    t.equal(result(), expected, what)
    const now = treeOf(caller)
    if (JSON.stringify([...now].map(([path, node]) => [path, node.facts])) !== facts(before))
      t.fail(`${what}: changed`)
  }
  t.same(problemsOf(volume.medium), [])
  t.end()
})

function facts(tree: ReturnType<typeof treeOf>): string {
  return JSON.stringify([...tree].map(([path, node]) => [path, node.facts]))
}

void test('a name of an inode over another name of it does nothing', (t) => {
  const { volume, caller, a, d, f } = plant(t)
  must(caller.link(f, d, 'h'))
  const before = facts(treeOf(caller))
  t.equal(caller.rename(a, 'f', d, 'h'), 0)
  t.equal(caller.rename(a, 'f', a, 'f'), 0)
  t.equal(caller.rename(root, 'a', root, 'a'), 0)
  t.equal(caller.rename(a, 'f', d, 'h', RENAME_EXCHANGE), 0)
  t.equal(facts(treeOf(caller)), before)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('directories move with their link counts and their parents', (t) => {
  const { volume, caller, a, b, c, d } = plant(t)
  t.equal(caller.rename(a, 'b', d, 'b'), 0)
  t.same(
    [a, b, d].map((inode) => caller.attributes(inode).links),
    [2, 3, 3],
  )
  t.equal(caller.engine.parentOf(b), d)
  t.same((caller.readdir(b) as { name: string; inode: number }[])[1]!.inode, d, '.. follows')
  must(caller.mkdir(a, 'empty'))
  t.equal(caller.rename(d, 'b', a, 'empty'), 0, 'over an empty directory')
  t.same(
    [a, b, d].map((inode) => caller.attributes(inode).links),
    [3, 3, 2],
  )
  t.equal(caller.rename(a, 'empty', d, 'g', RENAME_EXCHANGE), 0, 'exchange with a file')
  t.same(
    [a, b, d].map((inode) => caller.attributes(inode).links),
    [2, 3, 3],
  )
  t.equal(caller.rename(b, 'c', root, 'a', RENAME_EXCHANGE), 0, 'exchange of two directories')
  t.same(
    [a, c].map((inode) => caller.attributes(inode).parent),
    [b, root],
  )
  t.same(problemsOf(volume.medium, true), [])
  t.end()
})

void test('a whiteout stays where the name was', (t) => {
  const { volume, caller, a, d, f, g } = plant(t)
  t.equal(caller.rename(a, 'f', d, 'g', RENAME_WHITEOUT), 0)
  const left = must(caller.lookup(a, 'f'))
  t.match(caller.attributes(left), { mode: 0o020000, device: 0, links: 1, uid: 1000, gid: 100 })
  t.equal(caller.lookup(d, 'g'), f)
  t.equal(caller.attributes(g).links, 0, 'the replaced file lives while it is open')
  t.equal(caller.rename(a, 'b', a, 'moved', RENAME_WHITEOUT | RENAME_NOREPLACE), 0)
  t.equal(caller.attributes(must(caller.lookup(a, 'b'))).mode, 0o020000)
  t.equal(caller.attributes(a).links, 3)
  caller.forget(g)
  t.equal(caller.stat(g), -ESTALE)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('an inode without names lives as long as someone refers to it, and no longer', (t) => {
  const { volume, caller, a, d, f } = plant(t)
  const free = volume.freeBlocks
  must(caller.write(f, 0, Buffer.alloc(20_000, 1)))
  must(caller.lookup(a, 'f'))
  must(caller.unlink(a, 'f'))
  caller.forget(f)
  t.equal((caller.read(f, 0, 30_000) as Buffer).length, 20_000, 'the second reference keeps it')
  must(caller.write(f, 20_000, Buffer.alloc(100)))
  caller.forget(f)
  t.equal(caller.stat(f), -ESTALE)
  t.equal(volume.freeBlocks, free)
  const again = must(caller.file(d, 'again'))
  t.equal(again, f, 'its number is used again')
  t.equal(caller.attributes(again).generation, 2, 'by the next generation')
  t.match(caller.attributes(again), { size: 0, blocks: 0, links: 1 })
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('in a removed directory nothing can be made or found', (t) => {
  const { volume, caller, b, c, f } = plant(t)
  must(caller.rmdir(b, 'c'))
  t.equal(caller.file(c, 'x'), -ENOENT)
  t.equal(caller.nameless(c), -ENOENT)
  t.equal(caller.link(f, c, 'x'), -ENOENT)
  t.equal(caller.lookup(c, 'x'), -ENOENT)
  t.equal(caller.unlink(c, 'x'), -ENOENT)
  t.equal(caller.rename(b, 'x', c, 'x'), -ENOENT)
  t.same(caller.readdir(c), [])
  t.equal(caller.attributes(c).links, 0)
  caller.forget(c)
  t.equal(caller.stat(c), -ESTALE)
  t.equal(caller.file(c, 'x'), -ESTALE)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('links and removals are refused as link(2), unlink(2) and rmdir(2) say', (t) => {
  const { volume, caller, a, b, f } = plant(t)
  t.equal(caller.link(b, root, 'x'), -EPERM, 'no links to directories')
  t.equal(caller.link(f, a, 'b'), -EEXIST)
  t.equal(caller.unlink(a, 'b'), -EISDIR)
  t.equal(caller.rmdir(a, 'f'), -ENOTDIR)
  t.equal(caller.rmdir(a, 'b'), -ENOTEMPTY)
  t.equal(caller.rmdir(f, 'x'), -ENOTDIR)
  t.equal(caller.file(a, '.'), -EEXIST)
  t.equal(caller.mkdir(a, '..'), -EEXIST)
  t.equal(caller.symlink(a, 's', ''), -ENOENT)
  t.equal(caller.symlink(a, 's', 'x'.repeat(4096)), -36)
  t.equal(caller.readlink(f), -EINVAL)
  t.equal(caller.readdir(f), -ENOTDIR)
  t.equal(caller.write(a, 0, Buffer.from('x')), -EISDIR)
  t.equal(caller.read(a, 0, 1), -EISDIR)
  t.equal(caller.truncate(a, 0), -EISDIR)
  t.equal(caller.write(must(caller.symlink(a, 's', 'target')), 0, Buffer.from('x')), -EINVAL)
  t.equal(caller.stat(0), -ESTALE)
  t.equal(caller.stat(31), -ESTALE)
  t.equal(caller.stat(2 ** 31 - 1), -ESTALE)
  t.same(problemsOf(volume.medium), [])
  t.end()
})
