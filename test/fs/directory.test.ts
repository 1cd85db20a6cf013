// SPDX-License-Identifier: GPL-2.0-only
/** Directories: many names, long names, names of one hash, and listing while names come and go. */
import { test } from 'tap'
import { ENAMETOOLONG, ENOENT, ENOTEMPTY } from '../../src/fs/errno.js'
import { NameHash } from '../../src/fs/name-hash.js'
import { nodeIndex } from '../../src/fs/directory.js'
import type { EngineCaller } from '../support/engine-caller.js'
import { problemsOf } from '../support/invariants.js'
import { Random, seed } from '../support/random.js'
import { TestVolume, root } from '../support/test-volume.js'

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

/** Names are cheap: each is a link to one file. */
function linker(caller: EngineCaller): (name: string) => number {
  const file = must(caller.file(root, 'file'))
  return (name) => {
    const result = caller.link(file, root, name)
    if (result === 0) caller.forget(file)
    return result
  }
}

/** The whole listing, so many entries at a time; `between` runs after each part. */
function listInParts(caller: EngineCaller, most: number, between: () => void): string[] {
  const names: string[] = []
  let cookie: readonly [number, number] = [0, 0]
  for (;;) {
    const entries = caller.readdir(root, cookie, most)
    if (typeof entries === 'number') throw new Error(`readdir: ${entries}`)
    if (entries.length === 0) return names
    names.push(...entries.map((entry) => entry.name))
    cookie = entries.at(-1)!.cookie
    between()
  }
}

/** Names under the test volume's key, as many as wanted, in groups of one hash. */
function collidingNames(groups: number): string[][] {
  const hash = new NameHash(0x07070707, 0x07070707)
  const byHash = new Map<number, string>()
  const found: string[][] = []
  for (let n = 0; found.length < groups; n++) {
    const name = `n${n}`
    const bytes = Buffer.from(name)
    const value = hash.of(bytes, 0, bytes.length)
    const other = byHash.get(value)
    if (other === undefined) byHash.set(value, name)
    else found.push([other, name])
  }
  return found
}

void test('a large directory finds every name, lists each once, and forgets all of them', (t) => {
  const volume = TestVolume.of(t, 4096)
  const { caller } = volume
  const link = linker(caller)
  const random = new Random(seed)
  const names = Array.from({ length: 20_000 }, (_, n) => `${n}-${'x'.repeat(random.below(40))}`)
  for (const name of names) must(link(name))
  t.same(problemsOf(volume.medium), [])
  t.ok(caller.attributes(root).size > 200 * 4096, 'it needs many leaves')
  t.equal(names.filter((name) => caller.lookup(root, name) > 0).length, names.length)
  t.equal(caller.lookup(root, 'missing'), -ENOENT)
  t.same(new Set(caller.entries(root).map((entry) => entry.name)), new Set([...names, 'file']))
  t.equal(caller.entries(root).length, names.length + 1)
  const kept = names.filter((_, n) => n % 100 === 0)
  for (const name of names) if (!kept.includes(name)) must(caller.unlink(root, name))
  t.same(new Set(caller.entries(root).map((entry) => entry.name)), new Set([...kept, 'file']))
  for (const name of names.slice(0, 3000)) if (!kept.includes(name)) must(link(name))
  t.same(problemsOf(volume.medium), [], `PMFS2_SEED=${seed}`)
  volume.reopen()
  t.equal(volume.caller.entries(root).length, 3000 + (names.length - 3000) / 100 + 1)
  t.end()
})

void test('a tree with node under node is built, used and given back', (t) => {
  const volume = TestVolume.of(t, 4096)
  const { caller } = volume
  const directory = must(caller.mkdir(root, 'd'))
  const before = volume.freeBlocks
  const file = must(caller.file(directory, 'file'))
  // Fifteen names of 250 bytes fill a leaf, and these all fall on two of the 512 entries of the first node.
  const hash = new NameHash(0x07070707, 0x07070707)
  const names: string[] = []
  for (let n = 0; names.length < 300; n++) {
    const name = `${n}`.padStart(250, '0')
    const bytes = Buffer.from(name)
    if (nodeIndex(hash.of(bytes, 0, bytes.length), 0) < 2) names.push(name)
  }
  for (const name of names) must(caller.link(file, directory, name))
  t.same(problemsOf(volume.medium), [])
  t.same(new Set(caller.entries(directory).map((entry) => entry.name)), new Set([...names, 'file']))
  t.equal(caller.rmdir(root, 'd'), -ENOTEMPTY)
  for (const name of names) must(caller.unlink(directory, name))
  must(caller.unlink(directory, 'file'))
  caller.forget(file, 1 + names.length)
  t.equal(caller.attributes(directory).blocks, 0, 'an emptied directory holds no tree')
  must(caller.rmdir(root, 'd'))
  caller.forget(directory)
  t.equal(volume.freeBlocks, before)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('names of one hash live side by side', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller } = volume
  const groups = collidingNames(6)
  const made = new Map<string, number>()
  const make = (name: string) => {
    made.set(name, must(caller.make(root, name, 0o010644)))
    caller.forget(made.get(name)!)
  }
  groups.flat().forEach(make)
  for (const [name, inode] of made) {
    t.equal(caller.lookup(root, name), inode, name)
    caller.forget(inode)
  }
  t.same(listInParts(caller, 1, () => undefined).sort(), ['.', '..', ...groups.flat()].sort())
  for (const [first, second] of groups as [string, string][]) {
    must(caller.unlink(root, first))
    t.equal(caller.lookup(root, first), -ENOENT)
    t.equal(caller.lookup(root, second), made.get(second)!)
    caller.forget(made.get(second)!)
    make(first)
    must(caller.rename(root, second, root, `${second}-renamed`))
    must(caller.rename(root, `${second}-renamed`, root, second))
  }
  t.same(problemsOf(volume.medium), [])
  t.same(listInParts(caller, 1, () => undefined).sort(), ['.', '..', ...groups.flat()].sort())
  t.end()
})

void test('what is there all the while is listed exactly once, whatever comes and goes', (t) => {
  for (const most of [1, 2, 7, 50]) {
    const volume = TestVolume.make(2048)
    const { caller } = volume
    const link = linker(caller)
    const random = new Random(seed + most)
    const staying = [...collidingNames(3).flat(), ...Array.from({ length: 150 }, (_, n) => `stays ${n}`)]
    for (const name of staying) must(link(name))
    const guests = new Set<string>()
    let count = 0
    const listed = listInParts(caller, most, () => {
      for (let n = 0; n < 12; n++) {
        if (guests.size > 0 && random.below(3) === 0) {
          const guest = random.of([...guests])
          must(caller.unlink(root, guest))
          guests.delete(guest)
        } else if (count < 2500) {
          const guest = `guest ${count++}`.padEnd(10 + random.below(200), '+')
          must(link(guest))
          guests.add(guest)
        }
      }
    })
    const found = listed.filter((name) => !name.startsWith('guest'))
    t.equal(new Set(listed).size, listed.length, 'nothing is told twice')
    t.same(found.sort(), [...staying, '.', '..', 'file'].sort(), `${most} at a time (PMFS2_SEED=${seed})`)
    t.same(problemsOf(volume.medium), [])
    volume.drop()
  }
  t.end()
})

void test('names have 1 to 255 bytes, and any but two of them', (t) => {
  const volume = TestVolume.of(t, 256)
  const { caller } = volume
  const longest = '\xff'.repeat(255)
  for (const name of [longest, '\x01', ' ', '...', '.a', '\n', 'é']) {
    const inode = must(caller.file(root, name))
    t.equal(caller.lookup(root, name), inode)
    t.ok(caller.entries(root).some((entry) => entry.name === name && entry.inode === inode))
  }
  const long = `${longest}x`
  const directory = must(caller.mkdir(root, 'directory'))
  t.equal(caller.file(root, long), -ENAMETOOLONG)
  t.equal(caller.lookup(root, long), -ENAMETOOLONG)
  t.equal(caller.link(must(caller.file(root, 'f')), root, long), -ENAMETOOLONG)
  t.equal(caller.symlink(root, long, 'x'), -ENAMETOOLONG)
  t.equal(caller.unlink(root, long), -ENAMETOOLONG)
  t.equal(caller.rmdir(root, long), -ENAMETOOLONG)
  t.equal(caller.rename(root, long, directory, 'y'), -ENAMETOOLONG)
  t.equal(caller.rename(root, 'f', directory, long), -ENAMETOOLONG)
  for (const name of ['', 'a/b', 'a\0b', '/']) t.ok(caller.file(root, name) < 0, JSON.stringify(name))
  t.same(problemsOf(volume.medium), [])
  t.end()
})
