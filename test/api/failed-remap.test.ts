// SPDX-License-Identifier: GPL-2.0-only
/** A volume that is to become writable, where a part of its device cannot be mapped so: it stays as it was. */
import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { type Test, test } from 'tap'
import { openVolume } from '../../src/api/opened-volume.js'
import { openFiles } from '../../src/api/volume-files.js'
import { recover } from '../../src/fs/recovery.js'
import { native } from '../../src/native/index.js'
import { MappedMedium } from '../../src/pmem/mapped-medium.js'
import { PmemError } from '../../src/pmem/pmem-error.js'
import { memoryDevice, problemsOn } from './formatted-device.js'

const ENOMEM = 12
/** Two windows, and a part of a third one. */
const sizeBytes = 2 ** 31 + 2 ** 22
const windowBlocks = 2 ** 18
/** Free blocks of the first and of the last window. */
const freeBlocks = [windowBlocks - 1, 2 * windowBlocks + 100]

/**
 * Lets the calls of native.remap fail that `fails` names, counted from 1, until it is mended.
 * @returns what mends it
 */
function failRemaps(fails: (call: number) => boolean): () => void {
  const remap = Reflect.get(native, 'remap') as (...args: readonly number[]) => number
  let calls = 0
  const failing: typeof remap = (...args) => (fails(++calls) ? -ENOMEM : remap(...args))
  Reflect.set(native, 'remap', failing)
  return () => void Reflect.set(native, 'remap', remap)
}

/** Leaves a transaction on the device that has begun and not ended. */
async function interruptCall(device: string): Promise<void> {
  const prototype = MappedMedium.prototype
  const whole = Object.getOwnPropertyDescriptor(prototype, 'fence')!
  const fence = whole.value as (this: MappedMedium) => void
  const volume = await openFiles(device)
  let calls = 0
  prototype.fence = function () {
    if (++calls > 1) throw new PmemError('the medium did not take a store', -5)
    fence.call(this)
  }
  await volume.mkdir('/new').catch(() => undefined)
  Object.defineProperty(prototype, 'fence', whole)
  await volume.close()
}

/** The first word of a block, as the device has it. */
function wordOn(device: string, block: number): number {
  const word = new Uint32Array(1)
  const fd = openSync(device, 'r')
  readSync(fd, word, 0, 4, block * 4096)
  closeSync(fd)
  return word[0]!
}

async function interrupted(t: Test): Promise<string> {
  const device = memoryDevice(t, sizeBytes)
  t.equal(statSync(device).size, sizeBytes)
  await interruptCall(device)
  return device
}

for (const failed of [1, 3]) {
  void test(`window ${failed} of three`, async (t) => {
    const device = await interrupted(t)
    const opened = openVolume(device, true)
    t.equal(opened.volume.undone, 1)
    const mend = failRemaps((call) => call === failed)
    t.teardown(mend)
    t.throws(() => opened.becomeWritable(), { name: 'DeviceError', code: 'ENOMEM' })
    mend()
    t.ok(opened.volume.isReadOnly)
    const medium = new MappedMedium(opened.description)
    t.equal(recover(medium, opened.volume.setting.geometry), 0, 'what recovery had undone stays undone')
    for (const block of freeBlocks) medium.store32(block, 0, 0x1234)
    for (const block of freeBlocks) t.equal(wordOn(device, block), 0, 'no window reaches the device')

    opened.becomeWritable()
    for (const block of freeBlocks) {
      t.equal(medium.load32(block, 0), 0, 'nor does a private copy outlast the next attempt')
      medium.store32(block, 0, 0x5678)
      medium.flush(block, 0, 4)
    }
    medium.release()
    for (const block of freeBlocks) t.equal(wordOn(device, block), 0x5678)
    opened.close()
    t.same(problemsOn(device), [])
  })
}

void test('neither mode can be had', async (t) => {
  const device = await interrupted(t)
  const opened = openVolume(device, true)
  const mend = failRemaps((call) => call >= 2)
  t.teardown(mend)
  t.throws(() => opened.becomeWritable(), {
    name: 'Error',
    message: /can be mapped neither for writing nor for reading$/,
  })
  mend()
  opened.abandon()
})
