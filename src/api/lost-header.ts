// SPDX-License-Identifier: GPL-2.0-only
/**
 * Devices whose header is damaged or cannot be read. Such a device still has copies of the superblock, which say to
 * which volume it belongs, and not which of its devices it is. So one is recognized if all devices are named, the
 * headers of the others leave one place, and it has a copy of this volume's superblock where only such a copy can be.
 */
import { type DeviceHeader, isOfVolume, refuseDamaged, refuseUnknown } from '../fs/device-header.js'
import type { Superblock } from '../fs/superblock.js'
import { isSameVolume } from '../fs/superblock-copies.js'
import { VolumeError } from '../fs/volume-error.js'
import { codeOf, deviceError } from '../pmem/device-error.js'
import { superblockAt, withReader } from './device-reader.js'
import type { DeviceLook } from './volume-devices.js'

/** The copy of the volume's superblock next to where the header was; null where there is none. */
export function copyBesideHeader({ firstCopy }: DeviceLook, key: DeviceHeader): Superblock | null {
  return firstCopy !== null && isOfVolume(key, firstCopy) ? firstCopy : null
}

/** @throws DeviceError, VolumeError where nothing on the device says that it belongs to the volume */
export function checkCopy(look: DeviceLook, key: DeviceHeader): void {
  if (copyBesideHeader(look, key) !== null) return
  const { path, unread } = look
  if (unread !== null) throw deviceError(codeOf(unread), `cannot read ${path}`, unread)
  refuseUnknown(path)
}

/** Asked of the first device: on any other one, files may have the block. */
function hasSecondCopy({ path, blocks }: DeviceLook, superblock: Superblock): boolean {
  const { secondCopyBlock } = superblock
  if (secondCopyBlock >= blocks) return false
  return withReader(path, (read) => {
    try {
      const copy = superblockAt(read, secondCopyBlock)
      return copy.isWhole() && isSameVolume(copy, superblock)
    } catch {
      return false
    }
  })
}

/**
 * The device among these that takes the place which is left.
 * @param lost at least one
 * @param placed the devices with headers, in their places; null where there is none
 * @param named how many devices were named
 * @throws DeviceError, VolumeError where there is no such device
 */
export function withoutHeader(
  lost: readonly DeviceLook[],
  key: DeviceHeader,
  superblock: Superblock,
  placed: readonly (DeviceLook | null)[],
  named: number,
): DeviceLook {
  const isFirstLeft = placed[0] === null
  for (const look of lost) if (!isFirstLeft || !hasSecondCopy(look, superblock)) checkCopy(look, key)
  const [look] = lost as [DeviceLook]
  if (lost.length > 1) refuseDamaged(lost.map(({ path }) => path))
  const damaged = `the header of ${look.path} ${look.unread === null ? 'is damaged' : 'cannot be read'}`
  if (!placed.includes(null))
    throw new VolumeError('foreign', `${damaged}, and all devices of the volume are there without it`)
  if (named !== placed.length)
    throw new VolumeError(
      'foreign',
      `${damaged}: name all ${placed.length} devices of the volume, and it is recognized by the place that the others leave`,
    )
  return look
}
