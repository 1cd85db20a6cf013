// SPDX-License-Identifier: GPL-2.0-only
/** Flags that users set, as the engine holds them: by whatever way a call comes, what they forbid is refused. */
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
import { SET_ATIME, SET_CTIME, SET_MODE, SET_MTIME, SET_SIZE, TOUCH } from '../../src/fs/attributes.js'
import { EOPNOTSUPP, EPERM, ESTALE, EXDEV } from '../../src/fs/errno.js'
import { RENAME_EXCHANGE, RENAME_WHITEOUT } from '../../src/fs/rename.js'
import { problemsOf } from '../support/invariants.js'
import { Random } from '../support/random.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

const data = Buffer.from('contents')
const times = SET_ATIME | SET_MTIME

void test('what may be set', (t) => {
  const { caller } = TestVolume.of(t, 1024)
  const file = caller.file(root, 'file')
  const directory = caller.mkdir(root, 'directory')
  const link = caller.symlink(root, 'link', 'target')
  const all = flagAppend | flagImmutable | flagNoAtime | flagSync | flagNoDump
  t.equal(caller.setFlags(file, all), 0)
  t.equal(caller.attributes(file).flags, all)
  t.equal(caller.setFlags(file, 0), 0)
  for (const flag of [flagDirSync, flagProjectInherit]) t.equal(caller.setFlags(file, flag), -EOPNOTSUPP)
  t.equal(caller.setFlags(directory, all | flagDirSync | flagProjectInherit), 0)
  t.equal(caller.setFlags(link, flagNoAtime | flagNoDump), 0)
  t.equal(caller.setFlags(link, flagImmutable), -EOPNOTSUPP)
  t.equal(caller.readlink(link), 'target', 'the flag of the engine’s own stays')
  t.equal(caller.setFlags(500, 0), -ESTALE)
  const { engine } = caller
  t.equal(engine.flags.set(directory, flagNoDump, 0), -EPERM, 'immutable')
  t.equal(engine.flags.set(directory, flagImmutable | flagNoDump, 0), 0)
  t.equal(
    caller.attributes(directory).flags,
    (all & ~flagImmutable & ~flagNoDump) | flagDirSync | flagProjectInherit,
  )
  t.equal(engine.flags.setWithProject(directory, 0, 0, -16), 0)
  t.equal(caller.attributes(directory).project, 0xffff_fff0)
  t.end()
})

void test('of an immutable file', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller, medium } = volume
  const file = caller.file(root, 'file')
  const other = caller.file(root, 'other')
  caller.write(file, 0, data)
  caller.write(other, 0, data)
  t.equal(caller.setFlags(file, flagImmutable), 0)
  caller.setClock(epoch + 1000)
  const before = caller.attributes(file)
  const refused = {
    write: caller.write(file, 0, data),
    append: caller.write(file, 8, data, false, true),
    copy: caller.copy(other, 0, file, 0, 8),
    truncate: caller.truncate(file, 3),
    extend: caller.truncate(file, 30_000),
    chmod: caller.setattr(file, { mask: SET_MODE, mode: 0o777 }),
    touch: caller.setattr(file, { mask: times | TOUCH }),
    link: caller.link(file, root, 'second'),
    unlink: caller.unlink(root, 'file'),
    rename: caller.rename(root, 'file', root, 'moved'),
    replace: caller.rename(root, 'other', root, 'file'),
    exchange: caller.rename(root, 'other', root, 'file', RENAME_EXCHANGE),
    whiteout: caller.rename(root, 'file', root, 'moved', RENAME_WHITEOUT),
  }
  for (const [call, result] of Object.entries(refused)) t.equal(result, -EPERM, call)
  t.same(caller.attributes(file), before)
  t.equal(caller.copy(file, 0, other, 8, 8), 8, 'it may be copied from')
  t.same(problemsOf(medium), [])
  t.end()
})

void test('of an append-only file', (t) => {
  const { caller } = TestVolume.of(t, 1024)
  const file = caller.file(root, 'file')
  caller.write(file, 0, data)
  t.equal(caller.setFlags(file, flagAppend), 0)
  t.equal(caller.write(file, 8, data), -EPERM, 'without O_APPEND')
  t.equal(caller.write(file, 7, data, false, true), -EPERM, 'before the end')
  t.equal(caller.write(file, 8, data, false, true), 8)
  t.equal(caller.write(file, 20_000, data, false, true), 8, 'beyond it')
  t.equal(caller.copy(file, 0, file, 20_008, 8), -EPERM)
  t.equal(caller.setattr(file, { mask: times | TOUCH }), 0)
  t.equal(caller.setattr(file, { mask: times }), -EPERM)
  t.equal(caller.setattr(file, { mask: times | SET_CTIME }), -EPERM)
  t.equal(caller.setattr(file, { mask: times | SET_CTIME | TOUCH }), 0, 'as a writeback cache asks for it')
  t.equal(caller.setattr(file, { mask: SET_MTIME | SET_CTIME }), 0, 'the times of gathered writes')
  t.equal(caller.setattr(file, { mask: times | TOUCH | SET_SIZE }), -EPERM)
  t.end()
})

/** @returns whether the call was refused, and what the file then has */
function afterWriteBack(stored: string, offset: number, written: string): [result: number, contents: string] {
  const volume = TestVolume.make(4096)
  const { caller } = volume
  const file = caller.file(root, 'file')
  caller.write(file, 0, Buffer.from(stored))
  caller.setFlags(file, flagAppend)
  const result = caller.write(file, offset, Buffer.from(written), false, true, true)
  const contents = caller.read(file, 0, 10_000)
  volume.close()
  return [result, typeof contents === 'number' ? '' : contents.toString()]
}

void test('what the kernel writes back to an append-only file', (t) => {
  const page = 'x'.repeat(4096)
  const cases: readonly (readonly [what: string, ...Parameters<typeof afterWriteBack>, number, string])[] = [
    ['an append comes with what lies before', 'abc', 0, 'abcdef', 6, 'abcdef'],
    ['nothing is new', 'abcdef', 0, 'abcd', 4, 'abcdef'],
    ['a mapping has changed a byte', 'abcdef', 0, 'abXdef', -EPERM, 'abcdef'],
    ['an append comes with such a page', 'abc', 0, 'aXcdef', -EPERM, 'abcdef'],
    ['beyond the first page', `${page}abc`, 4096, 'Xbcd', -EPERM, `${page}abcd`],
    ['across pages', `${page}abc`, 0, `${page}abcdef`, 4102, `${page}abcdef`],
    ['zeros of a gap get their values', 'abc\0\0\0def', 0, 'abcdefdef', 9, 'abcdefdef'],
    ['and no others', 'abc\0\0\0def', 0, 'abcdef\0\0\0', -EPERM, 'abc\0\0\0def'],
  ]
  for (const [what, stored, offset, written, result, contents] of cases)
    t.same(afterWriteBack(stored, offset, written), [result, contents], what)
  t.end()
})

void test('wherever what is written back begins and ends', (t) => {
  const { caller } = TestVolume.of(t, 4096)
  const file = caller.file(root, 'file')
  const random = new Random(7)
  const sparse = () => (random.below(3) === 0 ? 0 : 1 + random.below(255))
  let stored = Buffer.from(Array.from({ length: 10_000 }, sparse))
  caller.write(file, 0, stored)
  caller.setFlags(file, flagAppend)
  for (let n = 0; n < 300; n++) {
    const offset = random.below(2) * 4096 + random.below(n % 2 === 0 ? 12 : 4096)
    const old = stored.subarray(offset, offset + 1 + random.below(8000))
    const data = Buffer.from(old)
    for (let k = random.below(3); k > 0; k--) data[random.below(data.length)] = sparse()
    const isRefused = data.some((byte, at) => ![0, byte].includes(old[at]!))
    const isAtEnd = offset + old.length === stored.length
    const more = random.bytes(isAtEnd ? random.below(100) : 0)
    const length = data.length + more.length
    const result = caller.write(file, offset, Buffer.concat([data, more]), false, true, true)
    t.equal(result, isRefused ? -EPERM : length, `${length} bytes at ${offset}`)
    // A gap is filled by what comes for it, but not where all is refused, as nothing is appended.
    if (isRefused && more.length === 0) continue
    for (const [at, byte] of data.entries()) if (old[at] === 0) old[at] = byte
    stored = Buffer.concat([stored, more])
  }
  t.same(caller.read(file, 0, stored.length + 1), stored)
  t.end()
})

void test('a full volume changes nothing about a refusal', (t) => {
  const { caller } = TestVolume.of(t, 1024)
  const file = caller.file(root, 'file')
  caller.write(file, 0, Buffer.from('abc'))
  caller.setFlags(file, flagAppend)
  const other = caller.file(root, 'other')
  const block = Buffer.alloc(4096, 7)
  for (let at = 0; caller.write(other, at, block) > 0; at += block.length);
  const page = Buffer.alloc(8192, 'x')
  // Served once more, it would find what it was refused for put right.
  t.equal(caller.write(file, 0, page, false, true, true), -EPERM)
  t.end()
})

void test('pages of an append-only file that come in another order', (t) => {
  const { caller } = TestVolume.of(t, 4096)
  const file = caller.file(root, 'file')
  const data = Buffer.alloc(20_000, 'appended ')
  caller.write(file, 0, data.subarray(0, 5000))
  caller.setFlags(file, flagAppend)
  const writeBack = (from: number, to: number): number =>
    caller.write(file, from, data.subarray(from, to), false, true, true)
  t.equal(writeBack(12_288, 20_000), 7712)
  t.equal(writeBack(8192, 12_288), 4096, 'a hole')
  t.equal(writeBack(4096, 8192), 4096, 'and the rest of a block')
  t.same(caller.read(file, 0, 20_000), data)
  t.end()
})

void test('of a directory', (t) => {
  const { caller } = TestVolume.of(t, 1024)
  const directory = caller.mkdir(root, 'directory')
  const file = caller.file(directory, 'file')
  caller.file(root, 'other')
  t.equal(caller.setFlags(directory, flagImmutable), 0)
  for (const [call, result] of Object.entries({
    create: caller.file(directory, 'new'),
    nameless: caller.nameless(directory),
    symlink: caller.symlink(directory, 'new', 'target'),
    link: caller.link(file, directory, 'new'),
    unlink: caller.unlink(directory, 'file'),
    rename: caller.rename(directory, 'file', root, 'new'),
    renameInto: caller.rename(root, 'other', directory, 'new'),
  }))
    t.equal(result, -EPERM, call)
  t.equal(caller.setFlags(directory, flagAppend), 0)
  t.ok(caller.nameless(directory) > 0)
  t.ok(caller.file(directory, 'new') > 0)
  t.equal(caller.unlink(directory, 'new'), -EPERM)
  t.equal(caller.rename(root, 'other', directory, 'new'), -EPERM)
  t.equal(caller.rename(root, 'other', directory, 'newer'), 0)
  t.end()
})

void test('what is inherited', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller, medium } = volume
  const directory = caller.mkdir(root, 'directory')
  const inherited = flagNoAtime | flagSync | flagDirSync | flagNoDump | flagProjectInherit
  t.equal(caller.setFlags(directory, inherited | flagAppend, 9), 0)
  const flagsOf = (inode: number): number => caller.attributes(inode).flags
  t.equal(flagsOf(caller.file(directory, 'file')), flagNoAtime | flagSync | flagNoDump)
  t.equal(flagsOf(caller.mkdir(directory, 'inner')), inherited)
  const nameless = caller.nameless(directory)
  t.equal(flagsOf(nameless), flagNoAtime | flagSync | flagNoDump)
  caller.forget(nameless)
  const short = caller.symlink(directory, 'short', 'target')
  t.equal(flagsOf(short), flagNoAtime | flagNoDump)
  t.equal(caller.readlink(short), 'target')
  t.equal(flagsOf(caller.symlink(directory, 'long', 't'.repeat(1000))), flagNoAtime | flagNoDump)
  for (const entry of caller.entries(directory)) t.equal(caller.attributes(entry.inode).project, 9)
  const other = caller.file(root, 'other')
  t.equal(caller.link(other, directory, 'link'), -EXDEV)
  t.equal(caller.rename(root, 'other', directory, 'moved'), -EXDEV)
  t.equal(caller.setFlags(other, 0, 9), 0)
  t.equal(caller.rename(root, 'other', directory, 'moved'), 0)
  t.equal(caller.setFlags(directory, 0), 0)
  caller.unlink(directory, 'moved')
  caller.forget(other)
  const again = caller.file(root, 'again')
  t.same([caller.attributes(again).flags, caller.attributes(again).project], [0, 0], 'a later use has none')
  t.same(problemsOf(medium), [])
  t.end()
})

void test('a noatime file keeps its time of access', (t) => {
  const { caller } = TestVolume.of(t, 1024)
  const file = caller.file(root, 'file')
  const directory = caller.mkdir(root, 'directory')
  caller.write(file, 0, data)
  for (const inode of [file, directory]) caller.setFlags(inode, flagNoAtime)
  const before = [caller.attributes(file).atime, caller.attributes(directory).atime]
  caller.setClock(epoch + 10 * 86_400_000)
  const { engine } = caller
  t.equal(engine.beginRead(file, 0, 0, 8, { data: () => undefined, hole: () => undefined }, true), 8)
  engine.endRead(file)
  t.equal(engine.readdir(directory, 0, 0, { entry: () => true }, true), 0)
  t.same([caller.attributes(file).atime, caller.attributes(directory).atime], before)
  t.end()
})
