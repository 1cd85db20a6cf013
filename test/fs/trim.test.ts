// SPDX-License-Identifier: GPL-2.0-only
/** Free blocks given back to the device: all of them, none that is used, and nobody else finds less meanwhile. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { test } from 'tap'
import { EIO, EOPNOTSUPP, EUCLEAN } from '../../src/fs/errno.js'
import { windowBlocks } from '../../layout/geometry.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { MemoryVolume } from '../support/memory-volume.js'
import { Random } from '../support/random.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'
import { difference, treeOf } from '../support/tree.js'

const blockBytes = 4096

/** Free blocks that do not read as zeros. */
function soiledBlocks({ medium }: TestVolume): number {
  let soiled = 0
  for (const { first, blocks } of readSuperblock(medium).superblock.segments) {
    for (let block = first; block < first + blocks; block++) {
      const at = medium.byteOf(block)
      const bytes = medium.bytesOf(block).subarray(at, at + blockBytes)
      if (bytes.every((byte) => byte === 0xa5)) soiled++
    }
  }
  return soiled
}

void test('all that is free is given back, and nothing else', (t) => {
  const volume = TestVolume.of(t, 20_000)
  const { caller } = volume
  const random = new Random(1)
  for (let n = 0; n < 30; n++) {
    const file = caller.file(root, `file-${n}`)
    for (let offset = 0; offset < 5; offset++) caller.write(file, offset * 50_000, random.bytes(30_000))
    caller.forget(file)
  }
  for (let n = 0; n < 30; n += 2) caller.unlink(root, `file-${n}`)
  const before = treeOf(caller)
  const free = volume.freeBlocks
  t.ok(soiledBlocks(volume) > 0)
  t.equal(caller.trim(), free)
  t.equal(soiledBlocks(volume), 0)
  t.equal(difference(treeOf(caller), before), null)
  t.equal(volume.freeBlocks, free, 'they are still free')
  t.equal(caller.trim(), free, 'and again')
  const file = caller.file(root, 'new')
  t.equal(caller.write(file, 0, random.bytes(2 ** 20)), 2 ** 20, 'and can be used')
  t.end()
})

void test('of a range, and runs that are long enough', (t) => {
  // All that is free is one run, which it is on one device only.
  const volume = TestVolume.makeOn([20_000])
  t.teardown(() => volume.close())
  const { caller } = volume
  t.equal(caller.trim(0, 10), 0, 'where nothing is free')
  t.equal(caller.trim(10_000, 10_100), 100)
  t.equal(caller.trim(10_000, 10_100, 101), 100, 'a run is as long as it is, also beyond the range')
  t.equal(caller.trim(0, Infinity, 20_001), 0, 'no run is so long')
  const whole = volume.freeBlocks
  t.ok(whole > 2 * 4096, 'longer than a part')
  t.equal(caller.trim(0, Infinity, 15_000), whole, 'a long run goes back whole, in parts')
  t.end()
})

void test('a device that cannot free blocks is passed over', (t) => {
  for (const cannot of [[0], [1], [0, 2], [0, 1, 2]]) {
    const volume = TestVolume.makeOn([20_000, 10_000, 15_000])
    const { caller, medium } = volume
    const free = [0, 1, 2].map((device) => {
      const { first, blocks } = readSuperblock(medium).superblock.segments[device]!
      return caller.trim(first, first + blocks)
    })
    const punch = medium.punch.bind(medium)
    const asked: number[] = []
    medium.punch = (block, count) => {
      const device = Math.floor(block / windowBlocks)
      if (!cannot.includes(device)) return punch(block, count)
      asked.push(device)
      return -EOPNOTSUPP
    }
    const trimmed = free.reduce((sum, count, n) => (cannot.includes(n) ? sum : sum + count), 0)
    t.equal(caller.trim(), trimmed === 0 ? -EOPNOTSUPP : trimmed, `not ${cannot.join(', ')}`)
    t.same(asked, cannot, 'each is asked once')
    medium.punch = () => -EIO
    t.equal(caller.trim(), -EIO, 'another error ends it')
    volume.close()
  }
  t.end()
})

void test('beside damage nothing is given back', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller } = volume
  volume.volume.state.countDamage()
  const soiled = soiledBlocks(volume)
  t.equal(caller.trim(), -EUCLEAN)
  t.equal(soiledBlocks(volume), soiled)
  volume.volume.noteDamage('somewhere', epoch)
  volume.reopen()
  t.equal(volume.caller.trim(), -EUCLEAN, 'after the next mount as well')
  t.equal(soiledBlocks(volume), soiled)
  t.end()
})

/** Lets go of blocks that another thread holds, after a while. */
const program = `
  import { workerData, parentPort } from 'node:worker_threads'
  import { setTimeout as sleep } from 'node:timers/promises'
  const { Allocator } = await import(workerData.allocator)
  const { Locks } = await import(workerData.locks)
  const { SharedState } = await import(workerData.state)
  const state = SharedState.view(workerData.description)
  const allocator = new Allocator(null, state, new Locks(state, 2), workerData.geometry)
  parentPort.postMessage('ready')
  await sleep(100)
  allocator.letGo(workerData.first, workerData.count)
`

void test('who finds no block but those that are given back waits for them', async (t) => {
  // All that is free is held as one run.
  const volume = new MemoryVolume(2 ** 24, 'inplace', 1)
  t.teardown(() => volume.release())
  const { allocator } = volume
  const free = allocator.freeBlocks
  const held = allocator.hold(0, volume.medium.blockCount, 1, free, false)
  t.equal(held, free)
  t.equal(allocator.freeBlocks, free, 'they count as free')
  const first = allocator.runStart
  const { description } = volume.volume.state
  const { geometry } = volume.volume.setting
  const from = (name: string) => new URL(`../../src/fs/${name}.js`, import.meta.url).href
  const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), {
    workerData: {
      allocator: from('allocator'),
      locks: from('locks'),
      state: from('shared-state'),
      description,
      geometry,
      first,
      count: held,
    },
  })
  // The thread may end before what waits for its message goes on.
  const ended = once(thread, 'exit')
  await once(thread, 'message')
  t.equal(allocator.claim(0, 10), 10)
  t.equal(allocator.freeBlocks, free - 10)
  allocator.release(allocator.runStart, 10)
  await ended
})
