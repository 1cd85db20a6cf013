// SPDX-License-Identifier: GPL-2.0-only
import { gainsOfFurther } from '../../src/api/device-growth.js'
import { withMedium } from '../../src/check/with-devices.js'
import { planGrowth, prepareSegments } from '../../src/fs/grow.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import { DeviceSet } from '../../src/pmem/device-set.js'

/** The power fails in `grow`, before the superblock of the volume names the further device, of 4 MiB. */
export function joinHalf(volume: string, added: string): void {
  const devices = DeviceSet.open([volume, added], { access: 'read-write', exclusive: true })
  withMedium(devices, 'read-write', (medium) => {
    const { superblock } = readSuperblock(medium)
    const next = planGrowth(superblock, gainsOfFurther(superblock, [{ path: added, blocks: 1024 }]))
    prepareSegments(medium, superblock, next, next.segments.slice(1), Date.now())
  })
  devices.close()
}
