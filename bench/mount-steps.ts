// SPDX-License-Identifier: GPL-2.0-only
/**
 * A process that times the steps of opening a volume as a mount does: DEVICE, not mounted, after a clean unmount. The
 * steps are done one after the other, on a medium of their own, and after that the whole opening, by which time the
 * compiler knows the code. Prints milliseconds. Start it several times, and take medians:
 *
 *     node dist/bench/mount-steps.js aged.img
 */
import { openVolume } from '../src/api/opened-volume.js'
import { Allocator } from '../src/fs/allocator.js'
import { Locks } from '../src/fs/locks.js'
import { recover } from '../src/fs/recovery.js'
import { SharedState } from '../src/fs/shared-state.js'
import { readSuperblock } from '../src/fs/superblock-copies.js'
import { DeviceSet } from '../src/pmem/device-set.js'
import { unmapDevices } from '../src/pmem/map-device.js'
import { nativeMapper } from '../src/pmem/mapper.js'
import { MappedMedium } from '../src/pmem/mapped-medium.js'

function timed<T>(name: string, step: () => T): T {
  const start = performance.now()
  const result = step()
  console.log(`${name}: ${(performance.now() - start).toFixed(1)}`)
  return result
}

const [path = ''] = process.argv.slice(2)
console.log(`loading the code: ${performance.now().toFixed(1)}`)
const devices = DeviceSet.open([path], { access: 'read-write', exclusive: true, mapper: nativeMapper })
const description = timed('mapping the device', () => devices.map('read-write'))
const medium = timed('views of the mapping', () => new MappedMedium(description))
const { superblock } = timed('reading the superblock', () => readSuperblock(medium))
const { geometry } = superblock
timed('reading the lanes', () => recover(medium, geometry))
const state = timed('mapping the shared region', () =>
  SharedState.create(geometry.blockCount, geometry.laneCount),
)
timed('copying the bitmap', () => new Allocator(medium, state, new Locks(state, 0), geometry).load())
state.release()
medium.release()
unmapDevices(description)
devices.close()
const opened = timed('all of the opening, once more', () => openVolume(path, false))
timed('closing it', () => opened.close())
