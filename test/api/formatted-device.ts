// SPDX-License-Identifier: GPL-2.0-only
/** Devices with a new volume on them, for programs to open. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { checkDevices } from '../../src/check/check-device.js'
import { format } from '../../src/fs/format.js'
import { createFileDevice, createMemoryDevice } from '../../src/pmem/device.js'
import { DeviceSet } from '../../src/pmem/device-set.js'
import { deviceBlocks, unmapDevices } from '../../src/pmem/map-device.js'
import { MappedMedium } from '../../src/pmem/mapped-medium.js'
import { deviceSizesFor, usualDevices } from '../support/device-count.js'
import { SHARED_MEMORY, type TearsDown } from '../support/temporary.js'

/**
 * A volume in memory: one device, or two files (device-count.ts). @returns the path of the first one, by which it can
 * be opened as long as the test runs
 */
export function formattedDevice(t: TearsDown, sizeBytes: number): string {
  if (usualDevices === 1) return memoryDevice(t, sizeBytes)
  const folder = mkdtempSync(join(SHARED_MEMORY, 'pmfs2-test-'))
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true })
  })
  return formattedFiles(folder, ...deviceSizesFor(sizeBytes, usualDevices))[0]!
}

/** A volume on exactly one device in memory, for tests that look at its bytes or its windows. @returns its path */
export function memoryDevice(t: TearsDown, sizeBytes: number): string {
  const devices = new DeviceSet([createMemoryDevice(sizeBytes)])
  t.teardown(() => devices.close())
  return formatted(devices)[0]!
}

/** Files that make up a volume, in its order: `device-0` and so on in the folder. @returns their paths */
export function formattedFiles(folder: string, ...sizesBytes: readonly number[]): string[] {
  const paths = sizesBytes.map((_, n) => join(folder, `device-${n}`))
  const devices = new DeviceSet(paths.map((path, n) => createFileDevice(path, sizesBytes[n]!)))
  formatted(devices)
  devices.close()
  return paths
}

/** Makes a volume on new devices. @returns their paths */
function formatted(set: DeviceSet): string[] {
  const { devices } = set
  const description = set.map('read-write')
  const medium = new MappedMedium(description)
  format(medium, {
    deviceBlocks: devices.map(deviceBlocks),
    uuid: randomBytes(16),
    label: 'api',
    identity: randomBytes(16),
    identifiers: devices.map(() => randomBytes(16)),
    hashKey: randomBytes(16),
    now: Date.now(),
    uid: 0,
    gid: 0,
    zeroed: true,
  })
  medium.release()
  unmapDevices(description)
  return devices.map(({ path }) => path)
}

/** What fsck finds on a device that nobody uses. */
export function problemsOn(path: string): readonly string[] {
  return checkDevices([path]).problems
}
