// SPDX-License-Identifier: GPL-2.0-only
/** Extended attributes by the engine: where they lie, what they cost, and what is refused. */
import { test } from 'tap'
import { SET_UID } from '../../src/fs/attributes.js'
import {
  E2BIG,
  EEXIST,
  EINVAL,
  ENODATA,
  ENOSPC,
  EOPNOTSUPP,
  EPERM,
  ERANGE,
  ESTALE,
} from '../../src/fs/errno.js'
import { XATTR_CREATE, XATTR_REPLACE } from '../../src/fs/xattr-store.js'
import { problemsOf } from '../support/invariants.js'
import { Random, seed } from '../support/random.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

const value = (length: number, salt = 1): Buffer => Buffer.from(new Random(salt).bytes(length))

void test('a value comes back, wherever it lies', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller } = volume
  const file = caller.file(root, 'f')
  const cases: readonly (readonly [length: number, blocks: number])[] = [
    [0, 0],
    [1, 0],
    [60, 0],
    // 128 bytes less a header of 8 and four of the name.
    [116, 0],
    [117, 1],
    [2048, 1],
    [2049, 2],
    [4096, 2],
    [4097, 3],
    [65536, 17],
  ]
  for (const [length, blocks] of cases) {
    t.equal(caller.setxattr(file, 'user.name', value(length)), 0, `${length} bytes`)
    t.same(caller.getxattr(file, 'user.name'), value(length))
    t.equal(caller.getxattr(file, 'user.name', 0), length, 'their number alone')
    t.equal(caller.attributes(file).blocks, blocks)
    t.same(problemsOf(volume.medium), [])
  }
  volume.reopen()
  t.same(volume.caller.getxattr(file, 'user.name'), value(65536), 'after a mount')
  t.equal(volume.caller.removexattr(file, 'user.name'), 0)
  t.equal(volume.caller.attributes(file).blocks, 0)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('what setxattr(2) and its kin refuse', (t) => {
  const volume = TestVolume.of(t, 512)
  const { caller } = volume
  const file = caller.file(root, 'f')
  const fifo = caller.make(root, 'fifo', 0o010644)
  const link = caller.symlink(root, 'link', 'f')
  const one = Buffer.from('1')
  t.equal(caller.getxattr(file, 'user.a'), -ENODATA)
  t.equal(caller.removexattr(file, 'user.a'), -ENODATA)
  t.equal(caller.setxattr(file, 'user.a', one, XATTR_REPLACE), -ENODATA)
  t.equal(caller.setxattr(file, 'user.a', one, XATTR_CREATE), 0)
  t.equal(caller.setxattr(file, 'user.a', one, XATTR_CREATE), -EEXIST)
  t.equal(caller.setxattr(file, 'user.a', Buffer.from('22'), XATTR_REPLACE), 0)
  t.equal(caller.getxattr(file, 'user.a', 1), -ERANGE)
  t.equal(caller.setxattr(file, 'user.b', Buffer.alloc(65537)), -E2BIG)
  t.equal(caller.setxattr(file, `user.${'n'.repeat(251)}`, one), -ERANGE, 'a name of 256 bytes')
  t.equal(caller.setxattr(file, `user.${'n'.repeat(250)}`, one), 0, 'and of 255')
  t.equal(caller.setxattr(file, '', one), -ERANGE)
  t.equal(caller.setxattr(file, 'user.', one), -EINVAL)
  for (const name of ['user', 'other.a', 'system.a', 'system.posix_acl_accessx', 'a'])
    t.equal(caller.setxattr(file, name, one), -EOPNOTSUPP, name)
  for (const inode of [fifo, link]) {
    t.equal(caller.setxattr(inode, 'user.a', one), -EPERM)
    t.equal(caller.getxattr(inode, 'user.a'), -ENODATA)
    t.equal(caller.setxattr(inode, 'trusted.a', one), 0)
    t.same(caller.getxattr(inode, 'trusted.a'), one)
  }
  t.equal(caller.readlink(link), 'f', 'beside the target')
  t.equal(caller.setxattr(9999, 'user.a', one), -ESTALE)
  t.equal(caller.getxattr(9999, 'user.a'), -ESTALE)
  t.equal(caller.listxattr(9999), -ESTALE)
  t.same((caller.listxattr(file) as string[]).length, 2)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('targets of symbolic links leave attributes what is left', (t) => {
  const volume = TestVolume.of(t, 512)
  const { caller } = volume
  for (const length of [1, 20, 113, 127, 128, 129, 1000]) {
    const target = 't'.repeat(length)
    const link = caller.symlink(root, `l${length}`, target)
    const { blocks } = caller.attributes(link)
    t.equal(caller.setxattr(link, 'trusted.a', Buffer.from('12')), 0)
    // 16 bytes behind the target, if they fit.
    const isInline = length > 128 || Math.ceil(length / 4) * 4 + 16 <= 128
    t.equal(caller.attributes(link).blocks, blocks + (isInline ? 0 : 1), `${length} bytes`)
    t.equal(caller.readlink(link), target)
    t.same(caller.getxattr(link, 'trusted.a'), Buffer.from('12'))
  }
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('many attributes share one block, until it is full', (t) => {
  const volume = TestVolume.of(t, 512)
  const { caller } = volume
  const file = caller.file(root, 'f')
  const free = volume.freeBlocks
  const names: string[] = []
  let result = 0
  for (let n = 0; result === 0; n++) {
    const name = `user.attribute${String(n).padStart(3)}`
    result = caller.setxattr(file, name, value(20, n))
    if (result === 0) names.push(name)
  }
  t.equal(result, -ENOSPC)
  t.equal(names.length, 3 + Math.floor(4080 / 40), 'three in the inode, and 40 bytes each in the block')
  t.equal(caller.attributes(file).blocks, 1)
  t.same((caller.listxattr(file) as string[]).sort(), names.slice().sort())
  for (const [n, name] of names.entries()) t.same(caller.getxattr(file, name), value(20, n))
  t.equal(caller.setxattr(file, names[40]!, value(16)), 0, 'a full one can be made smaller')
  for (const name of names.slice().reverse()) t.equal(caller.removexattr(file, name), 0)
  t.equal(volume.freeBlocks, free)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('random changes are as a map would have them', (t) => {
  t.comment(`seed ${seed}`)
  const random = new Random(seed)
  const volume = TestVolume.of(t, 2048)
  const { caller } = volume
  const inodes = [caller.file(root, 'f'), caller.mkdir(root, 'd'), caller.symlink(root, 'l', 'x'.repeat(50))]
  const expected = inodes.map(() => new Map<string, Buffer>())
  const free = volume.freeBlocks
  for (let n = 0; n < 4000; n++) {
    const which = random.below(inodes.length)
    const [inode, map] = [inodes[which]!, expected[which]!]
    const name = `${random.of(['trusted.', 'security.'])}${'n'.repeat(1 + random.below(12))}`
    if (random.below(3) === 0) {
      const wanted = map.delete(name) ? 0 : -ENODATA
      if (caller.removexattr(inode, name) !== wanted) t.fail(`removal ${n}`)
    } else {
      const length = random.of([0, 3, 20, 60, 200, 1000, 2048, 3000, 9000, 65536])
      const bytes = value(random.below(length + 1), n)
      const result = caller.setxattr(inode, name, bytes)
      if (result === 0) map.set(name, bytes)
      else if (result !== -ENOSPC) t.fail(`setting ${n}: ${result}`)
    }
    const other = random.of([...map.keys(), name])
    const wanted = map.get(other) ?? -ENODATA
    const got = caller.getxattr(inode, other)
    if (typeof wanted === 'number' ? got !== wanted : !wanted.equals(got as Buffer)) t.fail(`reading ${n}`)
    if (n % 100 === 0) t.same(problemsOf(volume.medium), [])
  }
  for (const [which, inode] of inodes.entries())
    t.same((caller.listxattr(inode) as string[]).sort(), [...expected[which]!.keys()].sort())
  for (const [which, inode] of inodes.entries())
    for (const name of expected[which]!.keys()) t.equal(caller.removexattr(inode, name), 0)
  t.equal(volume.freeBlocks, free)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('small attributes cost no block: the volume grows by less than 256 bytes a file', (t) => {
  const files = 5000
  const grown = (withAttribute: boolean): number => {
    const volume = TestVolume.make(4096)
    const { caller } = volume
    const free = volume.freeBlocks
    for (let n = 0; n < files; n++) {
      const file = caller.make(root, `${n}`, 0o010644)
      if (withAttribute) caller.setxattr(file, 'trusted.a', value(60))
    }
    const used = free - volume.freeBlocks
    volume.close()
    return used
  }
  t.equal(grown(true), grown(false), 'as much as without them')
  t.end()
})

void test('attributes go with the inode, and with nothing before', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller } = volume
  caller.forget(caller.file(root, 'first'))
  const free = volume.freeBlocks
  for (const make of [() => caller.file(root, 'f'), () => caller.mkdir(root, 'f')]) {
    const inode = make()
    for (const [n, length] of [10, 100, 3000, 65536].entries())
      t.equal(caller.setxattr(inode, `user.${n}`, value(length)), 0)
    const inner = caller.file(inode, 'x')
    caller.unlink(inode, 'x')
    if (inner > 0) caller.forget(inner)
    t.equal(caller.unlink(root, 'f') === 0 || caller.rmdir(root, 'f') === 0, true)
    t.same(caller.getxattr(inode, 'user.2'), value(3000), 'while it is open')
    caller.forget(inode)
    t.ok(free - volume.freeBlocks <= 1, 'but for a leaf of the root directory')
    t.same(problemsOf(volume.medium), [])
  }
  t.same(caller.listxattr(caller.file(root, 'new')), [], 'what comes after has none')
  t.end()
})

void test('a directory that gives its tree back keeps its attributes', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller } = volume
  const directory = caller.mkdir(root, 'd')
  caller.setxattr(directory, 'user.a', value(5000))
  for (let n = 0; n < 200; n++) caller.forget(caller.file(directory, `a rather long name ${n}`))
  for (let n = 0; n < 200; n++) caller.unlink(directory, `a rather long name ${n}`)
  t.equal(caller.attributes(directory).blocks, 3, 'those of the attributes')
  t.same(caller.getxattr(directory, 'user.a'), value(5000))
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('only ctime moves, and an attribute can be removed from a full volume', (t) => {
  const volume = TestVolume.of(t, 256)
  const { caller } = volume
  const file = caller.file(root, 'f')
  caller.setxattr(file, 'user.small', value(200))
  caller.setxattr(file, 'user.large', value(9000))
  const full = caller.file(root, 'full')
  for (let at = 0, got = 1; got > 0; at += got) got = caller.write(full, at, Buffer.alloc(4096))
  caller.setClock(epoch + 1000)
  const before = caller.attributes(file)
  t.equal(caller.setxattr(file, 'user.other', value(5000)), -ENOSPC)
  t.same(caller.attributes(file), before, 'what fails changes nothing')
  t.equal(caller.removexattr(file, 'user.small'), 0)
  const after = caller.attributes(file)
  t.not(after.ctime, before.ctime)
  t.same({ ...after, ctime: 0 }, { ...before, ctime: 0 })
  t.equal(caller.removexattr(file, 'user.large'), 0)
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('on a full volume, a value takes the blocks of the one before it, as far as the log has room', (t) => {
  const name = 'user.large'
  const cases: readonly (readonly [had: number, has: number, result: number, freed: number])[] = [
    [2049, 2049, 0, 0],
    [4096, 2100, 0, 0],
    [2100, 4096, 0, 0],
    [16384, 16384, 0, 0],
    [16384, 12289, 0, 0],
    [16384, 5000, 0, 2],
    [65536, 16384, 0, 12],
    [65536, 2048, 0, 16],
    [4096, 4097, -ENOSPC, 0],
    [20480, 20480, -ENOSPC, 0],
    [65536, 65536, -ENOSPC, 0],
  ]
  for (const [had, has, result, freed] of cases) {
    const volume = TestVolume.of(t, 256)
    const { caller } = volume
    const file = caller.file(root, 'f')
    t.equal(caller.setxattr(file, 'user.before', value(200)), 0)
    t.equal(caller.setxattr(file, name, value(had)), 0)
    t.equal(caller.setxattr(file, 'user.behind', value(300)), 0)
    const full = caller.file(root, 'full')
    for (let at = 0, got = 1; got > 0; at += got) got = caller.write(full, at, Buffer.alloc(4096))
    t.equal(volume.freeBlocks, 0)
    const { blocks } = caller.attributes(file)
    const what = `${has} bytes in place of ${had}`
    t.equal(caller.setxattr(file, name, value(has, 2)), result, what)
    t.same(caller.getxattr(file, name), result === 0 ? value(has, 2) : value(had), what)
    t.equal(caller.attributes(file).blocks, blocks - freed)
    t.equal(volume.freeBlocks, freed)
    t.same(caller.getxattr(file, 'user.before'), value(200))
    t.same(caller.getxattr(file, 'user.behind'), value(300))
    t.same(problemsOf(volume.medium), [], what)
  }
  t.end()
})

void test('whatever changes a file takes security.capability away', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller } = volume
  const name = 'security.capability'
  const file = caller.file(root, 'f')
  const other = caller.file(root, 'other')
  caller.write(file, 0, Buffer.alloc(9000, 1))
  const changes: readonly (readonly [what: string, change: () => number])[] = [
    ['a write in place', () => caller.write(file, 0, Buffer.from('x'))],
    ['a write that grows it', () => caller.write(file, 9000, Buffer.from('x'))],
    ['a cut', () => caller.truncate(file, 10)],
    ['growing', () => caller.truncate(file, 10000)],
    ['another owner', () => caller.setattr(file, { mask: SET_UID, uid: 5 })],
    ['a copy of data', () => (caller.write(other, 0, value(100)), caller.copy(other, 0, file, 0, 100))],
    ['a copy of a hole', () => (caller.truncate(other, 50000), caller.copy(other, 8192, file, 0, 8192))],
  ]
  for (const more of [0, 200]) {
    if (more > 0) caller.setxattr(file, 'user.more', value(more))
    for (const [what, change] of changes) {
      t.equal(caller.setxattr(file, name, value(20)), 0)
      t.ok(change() >= 0)
      t.equal(caller.getxattr(file, name), -ENODATA, what)
      t.same(problemsOf(volume.medium), [])
    }
    if (more > 0) t.same(caller.getxattr(file, 'user.more'), value(more), 'no other one')
  }
  t.equal(caller.setxattr(file, name, value(20)), 0)
  t.equal(caller.writeBack(file, 0, Buffer.from('x')), 1)
  t.same(caller.getxattr(file, name), value(20), 'but pages that are written back are no change')
  t.end()
})
