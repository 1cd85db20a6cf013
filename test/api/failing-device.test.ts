// SPDX-License-Identifier: GPL-2.0-only
/** A program whose volume lies on a disk that runs full, or in a file that is cut short, hears of it by errors. */
import { randomBytes } from 'node:crypto'
import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import tap from 'tap'
import { DeviceError, openFiles } from '../../src/api/index.js'
import { checkDevices } from '../../src/check/check-device.js'
import { SmallDisk } from '../support/small-disk.js'
import { succeed } from '../support/test-mount.js'

const mebibyte = 2 ** 20
const failure =
  /^cannot access \S+device at byte \d+: its disk is full, or it was cut short/
const isFailure = (error: unknown) =>
  error instanceof DeviceError && error.code === 'EIO' && failure.test(error.message)

async function stateOf(device: string): Promise<string> {
  return (JSON.parse(await succeed('info', device, '--json')) as { state: string }).state
}

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise
  } catch (error) {
    return error
  }
}

void tap.test('a disk that runs full', async (t) => {
  const disk = await SmallDisk.make(t, 6 * mebibyte)
  const device = join(disk.folder, 'device')
  await succeed('mkfs', device, '--size', '64M', '--sparse')
  const volume = await openFiles(device)
  const contents = randomBytes(mebibyte)
  await volume.writeFile('/first', contents)
  disk.fill()
  t.ok(isFailure(await errorOf(volume.writeFile('/second', contents))), 'the call that meets it')
  t.ok(isFailure(await errorOf(volume.readdir('/'))), 'and all that follow')
  t.ok(isFailure(await errorOf(volume.close())))
  t.equal(await stateOf(device), 'dirty', 'nobody says that it was left in order')

  disk.empty()
  t.same(checkDevices([device]).problems, [])
  const again = await openFiles(device)
  t.ok(contents.equals(await again.readFile('/first')), 'what was told to be durable is there')
  await again.close()
  t.equal(await stateOf(device), 'clean')
})

void tap.test('a file that is cut short', async (t) => {
  const disk = await SmallDisk.make(t, 20 * mebibyte)
  const device = join(disk.folder, 'device')
  await succeed('mkfs', device, '--size', '16M')
  const volume = await openFiles(device)
  await volume.writeFile('/file', randomBytes(4 * mebibyte))
  truncateSync(device, 2 * mebibyte)
  t.ok(isFailure(await errorOf(volume.readFile('/file'))), 'no zeros are taken for the contents')
  t.ok(isFailure(await errorOf(volume.close())))
})
