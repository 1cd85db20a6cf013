// SPDX-License-Identifier: GPL-2.0-only
/** What mkfs makes ready is the file that it has locked, whatever has its name by then. */
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { blockBytes } from '../../layout/geometry.js'
import { Ends } from '../../src/cli/ends.js'
import { type ContentsRule, openTarget } from '../../src/cli/mkfs-target.js'
import { native } from '../../src/native/index.js'
import type { Device } from '../../src/pmem/device.js'
import { listBadBlocks } from '../support/listed-bad-blocks.js'
import { SmallDisk } from '../support/small-disk.js'
import { temporaryDirectory } from '../support/temporary.js'
import { fileLimitMs } from './cli.js'

t.setTimeout(fileLimitMs)

const folder = await temporaryDirectory(t)
const mebibyte = 2 ** 20
const others = 'of somebody else'

for (const [what, oldBytes, undoneBytes] of [
  ['a new file', null, null],
  ['an empty file', 0, 0],
  ['a file that is made longer', mebibyte, mebibyte],
] as const) {
  const make = (name: string): string => {
    const path = join(folder, `${name} of ${what}`)
    if (oldBytes !== null) writeFileSync(path, Buffer.alloc(oldBytes))
    return path
  }
  const prepare = (path: string, ends: Ends) =>
    openTarget({ path, sizeBytes: 2 * mebibyte, contents: 'emptied' }, ends).prepare(() => undefined)

  void t.test(`${what}, and all is undone`, (t) => {
    const path = make('undo')
    const ends = new Ends()
    t.equal(prepare(path, ends).sizeBytes, 2 * mebibyte)
    ends.run(false)
    t.equal(existsSync(path) ? statSync(path).size : null, undoneBytes)
    t.end()
  })

  void t.test(`${what}, and no descriptor is left`, (t) => {
    const before = readdirSync('/proc/self/fd').length
    const ends = new Ends()
    prepare(make('kept'), ends)
    ends.finish()
    ends.run(true)
    t.equal(readdirSync('/proc/self/fd').length, before)
    t.end()
  })

  void t.test(`${what}, and another one takes its name`, (t) => {
    const path = make('name')
    const ends = new Ends()
    prepare(path, ends)
    renameSync(path, `${path}.moved`)
    writeFileSync(path, others)
    ends.run(false)
    t.equal(readFileSync(path, 'utf8'), others, 'which stays as it is')
    // A file that was made stays where nobody knows its name.
    t.equal(statSync(`${path}.moved`).size, undoneBytes ?? 2 * mebibyte)
    t.end()
  })
}

void t.test('what a file holds, and another one takes its name', (t) => {
  const path = join(folder, 'held')
  const contents = Buffer.alloc(mebibyte)
  // Of a file system of CDs.
  contents.write('\u0001CD001\u0001', 32 * 1024)
  writeFileSync(path, contents)
  const ends = new Ends()
  const target = openTarget({ path, sizeBytes: null, contents: 'refused' }, ends)
  renameSync(path, `${path}.moved`)
  writeFileSync(path, Buffer.alloc(mebibyte))
  t.throws(() => target.refuseContents(), { message: /holds an iso9660 file system/ })
  const marks: string[] = []
  target.refuseContents((device) => {
    marks.push(Buffer.from(device.read(32 * 1024 + 1, 5)).toString())
    return true
  })
  t.same(marks, ['CD001'], 'so is what may be overwritten all the same')
  ends.run(false)
  t.end()
})

void t.test('a file that is overwritten, and another one takes its name', (t) => {
  const path = join(folder, 'overwritten')
  writeFileSync(path, Buffer.alloc(mebibyte, 'old'))
  const ends = new Ends()
  const target = openTarget({ path, sizeBytes: mebibyte, contents: 'emptied' }, ends)
  target.prepare(() => undefined)
  renameSync(path, `${path}.moved`)
  writeFileSync(path, others)
  truncateSync(path, mebibyte)
  const { device, zeroed } = target.overwrite(() => undefined)
  t.equal(device.sizeBytes, mebibyte)
  ends.run(true)
  t.ok(readFileSync(path, 'utf8').startsWith(others), 'which stays as it is')
  t.ok(zeroed)
  t.ok(readFileSync(`${path}.moved`).equals(Buffer.alloc(mebibyte)), 'the file that was named is emptied')
  t.end()
})

/** Bytes from `startBytes` on that have their place on the disk. */
const allocatedFrom = ({ punchFd }: Device, startBytes: number): number =>
  native.allocatedBytes(punchFd, startBytes, 2 ** 30)

void t.test('a file that is emptied keeps no block, not even the one it ends in', (t) => {
  const path = join(folder, 'odd')
  const sizeBytes = mebibyte + 100
  writeFileSync(path, Buffer.alloc(sizeBytes, 7))
  const ends = new Ends()
  const target = openTarget({ path, sizeBytes: null, contents: 'emptied' }, ends)
  t.ok(
    allocatedFrom(
      target.prepare(() => undefined),
      0,
    ) >= sizeBytes,
  )
  const { device } = target.overwrite(() => undefined)
  t.equal(allocatedFrom(device, 0), 0)
  t.equal(statSync(path).size, sizeBytes)
  ends.run(true)
  t.end()
})

void t.test('the bad blocks of a file stay with it unless it gives its blocks back', async (t) => {
  const disk = SmallDisk.ext4(t, await SmallDisk.make(t, 40 * mebibyte), 32 * mebibyte, '-b', '4096')
  const path = join(disk.folder, 'bad')
  const mark = Buffer.alloc(blockBytes, 'a block that turns bad')
  writeFileSync(path, Buffer.concat([Buffer.alloc(5 * blockBytes, 7), mark, Buffer.alloc(mebibyte, 7)]))
  execFileSync('sync', ['--file-system', path])
  const onDisk = readFileSync(disk.image).indexOf(mark) / blockBytes
  await listBadBlocks(t, disk.device, { first: onDisk, count: 1 })
  const looked = (contents: ContentsRule) => {
    const ends = new Ends()
    t.teardown(() => ends.run(true))
    const target = openTarget({ path, sizeBytes: null, contents }, ends)
    ends.finish()
    return target
  }
  const before = readFileSync(path)
  const bad = [{ first: 5, count: 1 }]
  t.same(looked('refused').badBlocks, bad)
  t.same(looked('wiped').badBlocks, bad, 'it keeps its blocks')
  t.same(looked('emptied').badBlocks, [])
  t.ok(readFileSync(path).equals(before), 'nothing is changed by a look')

  const punchHole = native.punchHole.bind(native)
  native.punchHole = () => -constants.errno.EOPNOTSUPP
  try {
    const ends = new Ends()
    const target = openTarget({ path, sizeBytes: null, contents: 'emptied' }, ends)
    t.same(target.badBlocks, bad, 'its file system has no holes')
    target.prepare(() => undefined)
    t.notOk(target.overwrite(() => undefined).zeroed)
    ends.run(true)
  } finally {
    native.punchHole = punchHole
  }
  t.ok(readFileSync(path).equals(before))
})
