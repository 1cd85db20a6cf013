// SPDX-License-Identifier: GPL-2.0-only
/** Extended attributes under loss of power: each change happens whole or not at all, and lasts once it returned. */
import { test } from 'tap'
import { SET_UID } from '../../src/fs/attributes.js'
import { exploreCall } from '../support/crash-explorer.js'
import { casesFor, useDevicesBySeed } from '../support/medium-in-use.js'
import { Random, seed } from '../support/random.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

useDevicesBySeed()

const random = new Random(seed)
const small = Buffer.from('a value of some forty bytes for the inode')
const large = Buffer.from(new Random(3).bytes(1500))
const huge = Buffer.from(new Random(4).bytes(65536))

function must(result: number): number {
  if (result < 0) throw new Error(`errno ${-result}`)
  return result
}

type Attributes = Readonly<Record<string, Buffer>>

interface Scenario {
  readonly name: string
  readonly has: Attributes
  readonly call: (volume: TestVolume, file: number) => void
}

const set =
  (name: string, value: Buffer): Scenario['call'] =>
  ({ caller }, file) =>
    must(caller.setxattr(file, name, value))
const remove =
  (name: string): Scenario['call'] =>
  ({ caller }, file) =>
    must(caller.removexattr(file, name))
const unlink: Scenario['call'] = ({ caller }, file) => {
  must(caller.unlink(root, 'f'))
  caller.forget(file)
}

const some: Attributes = { 'user.a': small, 'user.b': large, 'user.c': Buffer.from('c'), 'user.d': small }
const all: Attributes = { ...some, 'trusted.huge': huge, 'security.capability': Buffer.alloc(20, 1) }

const scenarios: readonly Scenario[] = [
  { name: 'the first one, small', has: {}, call: set('user.a', small) },
  { name: 'the first one, large', has: {}, call: set('user.a', large) },
  { name: 'the first one, of blocks of its own', has: {}, call: set('user.a', huge) },
  { name: 'one more in the inode', has: { 'user.a': small }, call: set('user.b', small) },
  { name: 'one more in the block', has: all, call: set('user.e', large) },
  { name: 'one more of blocks of its own', has: all, call: set('user.e', huge) },
  { name: 'another value of the same length', has: some, call: set('user.a', Buffer.alloc(41, 7)) },
  {
    name: 'another large value of the same length',
    has: some,
    call: set('user.b', Buffer.from(new Random(5).bytes(1500))),
  },
  { name: 'a shorter value in the inode', has: { ...some }, call: set('user.a', Buffer.from('s')) },
  { name: 'a longer value that leaves the inode', has: some, call: set('user.a', large) },
  { name: 'a shorter value that comes to the inode', has: some, call: set('user.b', Buffer.from('s')) },
  { name: 'a huge value instead of a large one', has: all, call: set('user.b', huge) },
  { name: 'a small value instead of a huge one', has: all, call: set('trusted.huge', Buffer.from('s')) },
  {
    name: 'another huge value',
    has: all,
    call: set('trusted.huge', Buffer.from(new Random(6).bytes(50000))),
  },
  { name: 'removal from the inode', has: some, call: remove('user.a') },
  { name: 'removal of the first of the block', has: all, call: remove('user.b') },
  { name: 'removal of the last of the block', has: some, call: remove('user.b') },
  { name: 'removal of a huge one', has: all, call: remove('trusted.huge') },
  { name: 'unlink of a file with all', has: all, call: unlink },
  { name: 'a write that takes the capability away', has: all, call: write },
  {
    name: 'another owner, and the capability goes',
    has: all,
    call: ({ caller }, file) => void must(caller.setattr(file, { mask: SET_UID, uid: 3 })),
  },
  {
    name: 'a cut, and the capability goes',
    has: all,
    call: ({ caller }, file) => void must(caller.truncate(file, 100)),
  },
]

function write({ caller }: TestVolume, file: number): void {
  // A write that grows the file is whole or not at all, as this one is.
  must(caller.write(file, 20480, Buffer.alloc(100, 'w')))
}

void test('attributes are changed whole or not at all', (t) => {
  for (const { name, has, call } of casesFor(scenarios)) {
    const volume = TestVolume.make(512)
    const { caller } = volume
    const file = must(caller.file(root, 'f'))
    must(caller.write(file, 0, Buffer.alloc(20480, 'f')))
    for (const [attribute, value] of Object.entries(has)) must(caller.setxattr(file, attribute, value))
    caller.setClock(epoch + 5000)
    const { failures, images, fences } = exploreCall(volume, (v) => call(v, file), random)
    t.same(failures.slice(0, 5), [], `${name}: ${images} images around ${fences} fences (PMFS2_SEED=${seed})`)
    volume.drop()
  }
  t.end()
})

void test('on a full volume, a value is replaced in its blocks whole or not at all', (t) => {
  for (const [had, has] of [
    [8000, 8192],
    [12000, 3000],
  ] as const) {
    const volume = TestVolume.make(256)
    const { caller } = volume
    const file = must(caller.file(root, 'f'))
    must(caller.setxattr(file, 'user.large', Buffer.alloc(had, 'h')))
    must(caller.setxattr(file, 'user.small', Buffer.alloc(300, 's')))
    const full = must(caller.file(root, 'full'))
    for (let at = 0; caller.write(full, at, Buffer.alloc(4096)) > 0;) at += 4096
    const call = set('user.large', Buffer.from(new Random(6).bytes(has)))
    const { failures, images } = exploreCall(volume, (v) => call(v, file), random)
    t.same(failures.slice(0, 5), [], `${has} bytes for ${had}: ${images} images (PMFS2_SEED=${seed})`)
    volume.drop()
  }
  t.end()
})

void test('a directory that gives its tree back keeps its attributes', (t) => {
  const volume = TestVolume.make(512)
  const { caller } = volume
  const directory = must(caller.mkdir(root, 'd'))
  for (const [attribute, value] of Object.entries(all)) must(caller.setxattr(directory, attribute, value))
  const names = Array.from({ length: 40 }, (_, n) => `${n}`.padEnd(200, 'x'))
  for (const name of names) caller.forget(must(caller.file(directory, name)))
  for (const name of names.slice(1)) must(caller.unlink(directory, name))
  const { failures, images, fences } = exploreCall(
    volume,
    () => void must(caller.unlink(directory, names[0]!)),
    random,
    // Whether the tree is there still is nobody's business but that of `blocks`.
    (got, { before, after }) => {
      const kept = /"xattrs":.*/
      const wanted = after.get('/d')!.facts
      if (kept.exec(got.get('/d')!.facts)![0] !== kept.exec(wanted)![0]) return 'other attributes'
      return got.size === before.size || got.size === after.size ? null : 'other names'
    },
  )
  t.same(failures.slice(0, 5), [], `${images} images around ${fences} fences (PMFS2_SEED=${seed})`)
  volume.drop()
  t.end()
})
