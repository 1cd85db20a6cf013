// SPDX-License-Identifier: GPL-2.0-only
/** A device with a new volume on it, for programs to open. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { checkDevices } from '../../src/check/check-device.js'
import { format } from '../../src/fs/format.js'
import { createFileDevice, createMemoryDevice } from '../../src/pmem/device.js'
import { DeviceSet } from '../../src/pmem/device-set.js'
import { deviceBlocks, mapDevices, unmapDevices } from '../../src/pmem/map-device.js'
import { MappedMedium } from '../../src/pmem/mapped-medium.js'
import type { TearsDown } from '../support/temporary.js'

/** A formatted device in memory. @returns its path, by which it can be opened as long as the test runs */
export function formattedDevice(t: TearsDown, sizeBytes: number): string {
  const device = createMemoryDevice(sizeBytes)
  t.teardown(() => device.close())
  const description = mapDevices([device], 'read-write')
  const medium = new MappedMedium(description)
  format(medium, {
    deviceBlocks: [deviceBlocks(device)],
    uuid: randomBytes(16),
    label: 'api',
    identity: Buffer.alloc(16, 1),
    identifiers: [Buffer.alloc(16, 2)],
    hashKey: randomBytes(16),
    now: Date.now(),
    uid: 0,
    gid: 0,
    zeroed: true,
  })
  medium.release()
  unmapDevices(description)
  return device.path
}

/** Files that make up a volume, in its order: `device-0` and so on in the folder. @returns their paths */
export function formattedFiles(folder: string, ...sizesBytes: readonly number[]): string[] {
  const paths = sizesBytes.map((_, n) => join(folder, `device-${n}`))
  const devices = new DeviceSet(paths.map((path, n) => createFileDevice(path, sizesBytes[n]!)))
  const description = devices.map('read-write')
  const medium = new MappedMedium(description)
  format(medium, {
    deviceBlocks: devices.devices.map(deviceBlocks),
    uuid: randomBytes(16),
    label: 'api',
    identity: randomBytes(16),
    identifiers: paths.map(() => randomBytes(16)),
    hashKey: randomBytes(16),
    now: Date.now(),
    uid: 0,
    gid: 0,
    zeroed: true,
  })
  medium.release()
  unmapDevices(description)
  devices.close()
  return paths
}

/** What fsck finds on a device that nobody uses. */
export function problemsOn(path: string): readonly string[] {
  return checkDevices([path]).problems
}
