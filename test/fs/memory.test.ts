// SPDX-License-Identifier: GPL-2.0-only
/** Memory of a process that has a large volume open, of which nearly all is free. */
import { readFileSync } from 'node:fs'
import { memoryUsage } from 'node:process'
import { type Test, test } from 'tap'
import { blockBytes } from '../../layout/geometry.js'
import { largestInode } from '../../layout/inode.js'
import { Allocator } from '../../src/fs/allocator.js'
import { Locks } from '../../src/fs/locks.js'
import { SharedState } from '../../src/fs/shared-state.js'
import { MemoryVolume } from '../support/memory-volume.js'
import { TestVolume } from '../support/test-volume.js'

const mebibyte = 2 ** 20
const tebibyte = 2 ** 40
/** The bitmap of 1 TiB has 32 MiB, and there are two of them. */
const mostBytes = 4 * mebibyte

/** Bytes of the shared memory and of the files in memory that this process has in its page tables. */
function sharedBytes(): number {
  const kibibytes = /^Pss_Shmem: +(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))?.[1]
  return Number(kibibytes!) * 1024
}

function takesLittle(t: Test, what: string, before: number): void {
  const taken = sharedBytes() - before
  t.ok(taken < mostBytes, `${what} takes ${Math.round(taken / 1024)} KiB`)
}

void test('a volume takes little memory for what is free, and so does its growth', (t) => {
  const before = sharedBytes()
  const volume = new MemoryVolume(tebibyte)
  t.teardown(() => volume.release())
  takesLittle(t, 'opening it', before)
  const { geometry } = volume.volume.setting
  const opened = sharedBytes()
  const grown = volume.volume.state.grown(geometry.blockCount, geometry.laneCount, 16)
  t.teardown(() => grown.release())
  takesLittle(t, 'growing it', opened)
  const free = volume.allocator.freeBlocks
  const larger = new Allocator(volume.medium, grown, new Locks(grown, 1), geometry)
  t.equal(larger.freeBlocks, free)
  for (let n = 0; n < 3; n++) t.ok(larger.isUsed(geometry.dataStart + n), 'what was in use still is')
  t.end()
})

void test('the collector counts little of the state of a large volume', (t) => {
  const before = memoryUsage().external
  const state = SharedState.create(tebibyte / blockBytes)
  t.teardown(() => state.release())
  const other = SharedState.view(state.description)
  t.equal(other.lookups(5), 0)
  state.retain(5)
  const last = largestInode - 1
  state.retain(last)
  t.equal(other.lookups(5), 1)
  t.equal(other.lookups(last), 1)
  t.equal(other.forget(last, 1), 0)
  const gibibytes = (memoryUsage().external - before) / 2 ** 30
  t.ok(gibibytes < 3, `${gibibytes.toFixed(1)} GiB for two parts of the counts of references`)
  t.end()
})

void test('a bitmap that is loaded once more has what the medium says', (t) => {
  const volume = TestVolume.of(t, 600, 300)
  const { state, setting } = volume.volume
  const allocator = new Allocator(volume.medium, state, new Locks(state, 1), setting.geometry)
  const free = allocator.freeBlocks
  const taken: number[] = []
  for (const count of [1, 40, 7]) {
    t.equal(allocator.claim(0, count), count)
    for (let n = 0; n < count; n++) taken.push(allocator.runStart + n)
  }
  t.equal(allocator.freeBlocks, free - taken.length)
  allocator.reload()
  t.equal(allocator.freeBlocks, free)
  t.ok(taken.every((block) => !allocator.isUsed(block)))
  t.ok(allocator.isUsed(0))
  t.ok(allocator.isUsed(700), 'behind the end of a device')
  t.end()
})
