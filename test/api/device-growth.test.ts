// SPDX-License-Identifier: GPL-2.0-only
/** What is done to devices before a volume can grow by them. */
import { statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { gainsOfFurther, lengthen, roomsOf } from '../../src/api/device-growth.js'
import { openVolume } from '../../src/api/opened-volume.js'
import { planGrowth } from '../../src/fs/grow.js'
import { withMedium } from '../../src/check/with-devices.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { openDevice } from '../../src/pmem/device.js'
import { statDevice } from '../../src/pmem/device-open.js'
import { DeviceSet } from '../../src/pmem/device-set.js'
import { lockHolder } from '../../src/pmem/lock-holder.js'
import { sparseFile } from '../cli/cli.js'
import { temporaryDirectory } from '../support/temporary.js'
import { memoryDevice } from './formatted-device.js'

const mebibyte = 2 ** 20

void test('a file that was made longer is made shorter again, unless somebody has made it longer still', (t) => {
  const path = memoryDevice(t, 4 * mebibyte)
  const device = openDevice(path, { access: 'read-write', exclusive: false })
  t.teardown(() => device.close())
  const lengthNow = (): number => statSync(path).size
  const restore = lengthen(device, 8 * mebibyte)
  t.equal(lengthNow(), 8 * mebibyte)
  t.equal(device.sizeBytes, 8 * mebibyte)
  restore()
  t.equal(lengthNow(), 4 * mebibyte)
  t.equal(device.sizeBytes, 4 * mebibyte)
  const again = lengthen(device, 8 * mebibyte)
  truncateSync(path, 12 * mebibyte)
  again()
  t.equal(lengthNow(), 12 * mebibyte)
  t.end()
})

void test('the room that a further device needs', (t) => {
  const devices = DeviceSet.open([memoryDevice(t, 4 * mebibyte)], {
    access: 'read-only',
    exclusive: false,
  })
  const { superblock } = withMedium(devices, 'read-only', readSuperblock)
  devices.close()
  const roomOf = (blocks: number, sparse: boolean, isOverwritten: boolean) => {
    const segment = planGrowth(
      superblock,
      gainsOfFurther(superblock, [{ path: 'further', blocks }]),
    ).segments.at(-1)!
    return roomsOf(segment, { sparse, isOverwritten }).map(({ startBytes, lengthBytes }) => [
      startBytes,
      lengthBytes,
    ])
  }
  t.same(roomOf(1024, false, true), [[0, 4 * mebibyte]])
  t.same(roomOf(1024, true, false), [[0, 3 * 4096]], 'header, superblock and bitmap')
  t.same(roomOf(1024, true, true), [
    [0, mebibyte],
    [3 * mebibyte, mebibyte],
  ])
  t.same(roomOf(300, true, true), [
    [0, 256 * 4096],
    [256 * 4096, 44 * 4096],
  ])
  t.same(roomOf(256, true, true), [[0, mebibyte]])
  t.end()
})

void test('a device that is to join is checked as those of the volume were', async (t) => {
  const path = memoryDevice(t, 4 * mebibyte)
  const added = sparseFile(join(await temporaryDirectory(t), 'added'), 2 * mebibyte)
  const checked: string[] = []
  const refusal = new Error('it is not mapped directly')
  const opened = openVolume(path, false, {
    check: (device) => {
      checked.push(device.path)
      if (device.path === added) throw refusal
    },
  })
  t.teardown(() => opened.close())
  t.throws(() => opened.openFurther([added]), refusal)
  t.same(checked, [path, added])
  t.equal(lockHolder(statDevice(added)), null, 'it is unlocked')
})
