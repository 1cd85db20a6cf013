// SPDX-License-Identifier: GPL-2.0-only
/** The request path leaves no garbage: calls that warmed up take no memory of the JavaScript heap. */
import { memoryUsage } from 'node:process'
import { test } from 'tap'
import { attributeWords } from '../../src/fs/engine.js'
import type { Engine } from '../../src/fs/engine.js'
import { Volume } from '../../src/fs/volume.js'
import { format } from '../../src/fs/format.js'
import { createMemoryDevice } from '../../src/pmem/device.js'
import { deviceBlocks, mapDevices, unmapDevices } from '../../src/pmem/map-device.js'
import { MappedMedium } from '../../src/pmem/mapped-medium.js'
import { createTransferBuffer, releaseTransferBuffer } from '../../src/pmem/transfer-buffer.js'
import { nameOf, newInode } from '../support/engine-caller.js'
import { epoch, root } from '../support/test-volume.js'
import type { TearsDown } from '../support/temporary.js'

const warmUp = 30_000
const calls = 30_000
const mostRounds = 20
/** An object is 16 bytes at the least, and so is a boxed number. */
const allowedBytesPerCall = 2

function mountedEngine(t: TearsDown): Engine {
  const device = createMemoryDevice(2 ** 24)
  const description = mapDevices([device], 'read-write')
  const medium = new MappedMedium(description)
  format(medium, {
    deviceBlocks: [deviceBlocks(device)],
    uuid: new Uint8Array(16),
    label: '',
    hashKey: new Uint8Array(16).fill(7),
    now: epoch,
    uid: 0,
    gid: 0,
    zeroed: true,
  })
  const volume = Volume.open(medium, { readOnly: false, now: epoch })
  t.teardown(() => {
    volume.close()
    medium.release()
    unmapDevices(description)
    device.close()
  })
  return volume.engine(0)
}

/**
 * Bytes of the heap that a call takes, in the best of some rounds: other parts of the process allocate too, and the
 * compiler, which gets rid of most boxes, takes its time on a busy machine.
 */
function bytesPerCall(call: (n: number) => void): number {
  for (let n = 0; n < warmUp; n++) call(n)
  let best = Infinity
  for (let round = 0; round < mostRounds && best >= allowedBytesPerCall; round++) {
    const before = memoryUsage().heapUsed
    for (let n = 0; n < calls; n++) call(n)
    const grown = memoryUsage().heapUsed - before
    // A collection in between shows as a heap that shrank, and says nothing.
    if (grown >= 0) best = Math.min(best, grown / calls)
  }
  return best
}

void test('calls on the request path allocate nothing', (t) => {
  const engine = mountedEngine(t)
  const buffer = createTransferBuffer('test data', 4096)
  t.teardown(() => releaseTransferBuffer(buffer))
  const words = new Uint32Array(attributeWords)
  for (let n = 0; n < 500; n++)
    engine.forget(engine.create(root, nameOf(`file ${n}`), newInode(0o100644, 0)), 1)
  const name = nameOf('file 250')
  const other = nameOf('another')
  const file = engine.lookup(root, name)
  const made = newInode(0o100644, 0)
  for (let n = 0; n < 64; n++) engine.write(file, n, 0, 4096, buffer, 0, false)
  let told = 0
  const sink = {
    data: (_block: number, _offset: number, length: number) => void (told += length),
    hole: () => undefined,
  }
  const entries = { entry: () => true }
  // The upper half of the nanoseconds makes a word beyond 2³¹, which the engine must not box.
  const tick = (n: number) => engine.clock.set(1_700_000_000 + n, 0, 900_000_000 + n)
  const paths: readonly [name: string, call: (n: number) => void][] = [
    ['lookup', () => engine.forget(engine.lookup(root, name), 0)],
    ['lookup of what is not there', () => void engine.lookup(root, other)],
    ['getattr', () => void engine.getattr(file, words)],
    [
      'read',
      (n) => {
        tick(n)
        engine.beginRead(file, n & 63, 0, 4096, sink, false)
        engine.endRead(file)
      },
    ],
    [
      'read that notes the time',
      (n) => {
        // A day apart, so that each is due; the seconds stay below 2³¹.
        tick((n % 5000) * 86400)
        engine.beginRead(file, n & 63, 0, 4096, sink, true)
        engine.endRead(file)
      },
    ],
    [
      'overwrite of 4 KiB',
      (n) => {
        tick(n)
        engine.write(file, n & 63, 0, 4096, buffer, 0, false)
      },
    ],
    [
      'create, write, unlink',
      (n) => {
        tick(n)
        const inode = engine.create(root, other, made)
        engine.write(inode, 0, 0, 4096, buffer, 0, false)
        engine.unlink(root, other)
        engine.forget(inode, 1)
      },
    ],
    [
      'readdir',
      (n) => {
        if (n % 100 === 0) engine.readdir(root, 0, 0, entries)
      },
    ],
  ]
  for (const [path, call] of paths) {
    const bytes = bytesPerCall(call)
    t.ok(bytes < allowedBytesPerCall, `${path}: ${bytes.toFixed(3)} bytes per call`)
  }
  t.ok(told > 0)
  t.end()
})
