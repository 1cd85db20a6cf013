// SPDX-License-Identifier: GPL-2.0-only
/** Volumes in order have no problems, whatever was done to them. */
import { test } from 'tap'
import { checkVolume, type CheckResult } from '../../src/check/check-volume.js'
import { Report } from '../../src/check/report.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import type { Medium } from '../../src/pmem/medium.js'
import type { EngineCaller } from '../support/engine-caller.js'
import { Random, seed } from '../support/random.js'
import { TestVolume, root } from '../support/test-volume.js'
import { makeSample } from '../support/sample.js'

interface Verdict {
  readonly lines: readonly string[]
  readonly notes: readonly string[]
  readonly result: CheckResult
}

function check(medium: Medium): Verdict {
  const report = new Report()
  const result = checkVolume(medium, readSuperblock(medium).superblock, report)
  return { lines: report.lines(), notes: report.notes, result }
}

void test('a fresh volume', (t) => {
  for (const blocks of [[256], [1024], [40_000], [700, 300], [1700, 256, 256, 1000]]) {
    const volume = TestVolume.of(t, ...blocks)
    const { lines, notes, result } = check(volume.medium)
    t.same([...lines, ...notes], [], `${blocks.join(' + ')} blocks`)
    t.match(result, { files: 0, directories: 1, entries: 0, usedInodes: 1, usedBlocks: 4, inFlight: 0 })
  }
  t.end()
})

void test('one of everything, with orphans', (t) => {
  const { lines, notes, result } = check(makeSample().medium)
  t.same([...lines, ...notes], [])
  t.match(result, {
    files: 352,
    directories: 6,
    symbolicLinks: 2,
    specialFiles: 2,
    entries: 359,
    usedInodes: 362,
    inFlight: 0,
    lostBlocks: 0,
    unmarkedBlocks: 0,
  })
  t.equal(result.files + result.directories + result.symbolicLinks + result.specialFiles, result.usedInodes)
  t.end()
})

void test('a directory as large as a small volume takes, filled and emptied', (t) => {
  const volume = TestVolume.of(t, 2048)
  const { caller } = volume
  const names: string[] = []
  for (let n = 0; ; n++) {
    const name = `${n} ${'x'.repeat(n % 240)}`
    const inode = caller.file(root, name)
    if (inode < 0) break
    names.push(name)
  }
  t.ok(names.length > 10_000, `${names.length} names`)
  t.same(check(volume.medium).lines, [], 'full')
  t.equal(check(volume.medium).result.entries, names.length)
  names.forEach((name, n) => {
    if (n % 3 > 0) caller.unlink(root, name)
  })
  t.same(check(volume.medium).lines, [], 'a third left')
  volume.reopen()
  t.same(check(volume.medium).lines, [], 'after another mount')
  t.equal(check(volume.medium).result.usedInodes, Math.ceil(names.length / 3) + 1)
  t.end()
})

void test('varied work on a volume that runs full', (t) => {
  t.comment(`seed ${seed}`)
  const random = new Random(seed)
  for (const blocks of [[700], [600, 400]]) {
    const volume = TestVolume.of(t, ...blocks)
    for (let round = 0; round < 20; round++) {
      for (let n = 0; n < 100; n++) doSomething(volume, random)
      const { lines } = check(volume.medium)
      if (lines.length > 0) t.same(lines, [], `round ${round}`)
      if (round % 5 === 4) volume.reopen()
    }
    t.same(check(volume.medium).lines, [], 'in the end')
  }
  t.end()
})

/** Anything, on a few names in a few directories; errors are part of it. */
function doSomething({ caller }: TestVolume, random: Random): void {
  const parent = Math.max(root, caller.lookup(root, `dir ${random.below(3)}`))
  const name = `name ${random.below(40)}${'.'.repeat(random.below(2) * 150)}`
  const inode = caller.lookup(parent, name)
  const made = makeSomething({ caller, parent, name, inode }, random)
  for (const reference of [parent, inode, made]) if (reference > root) caller.forget(reference)
}

interface Place {
  readonly caller: EngineCaller
  readonly parent: number
  readonly name: string
  readonly inode: number
}

/** @returns an inode to forget, if it is one */
function makeSomething({ caller, parent, name, inode }: Place, random: Random): number {
  const other = `name ${random.below(40)}`
  switch (random.below(12)) {
    case 0:
      return caller.mkdir(root, `dir ${random.below(3)}`)
    case 1:
      return caller.rmdir(root, `dir ${random.below(3)}`)
    case 2:
      return caller.file(parent, name)
    case 3:
      return caller.symlink(parent, name, 'x'.repeat(1 + random.below(300)))
    case 4:
      return caller.unlink(parent, name)
    case 5:
      return caller.rename(parent, name, root, other, random.below(3))
    case 6:
      return inode > 0 && caller.link(inode, root, other) === 0 ? inode : 0
    case 7:
      return inode > 0 ? caller.truncate(inode, random.below(2 ** random.below(30))) : 0
    default:
      if (inode > 0)
        caller.write(inode, random.below(2 ** random.below(32)), random.bytes(random.below(20_000)))
      return inode > 0 ? 0 : caller.file(parent, name)
  }
}

void test('progress is told', (t) => {
  const volume = TestVolume.of(t, 4096)
  for (let n = 0; n < 9000; n++) volume.caller.file(root, `file ${n}`)
  const steps: [number, number][] = []
  const { superblock } = readSuperblock(volume.medium)
  checkVolume(volume.medium, superblock, new Report(), (done, total) => steps.push([done, total]))
  t.ok(steps.length >= 2, `${steps.length} steps`)
  t.ok(steps.every(([done, total]) => done <= total))
  t.end()
})
