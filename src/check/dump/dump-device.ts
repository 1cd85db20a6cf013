// SPDX-License-Identifier: GPL-2.0-only
/** The dump of devices, as the command line wants it. It locks nobody out: a mounted volume is told as it is now. */
import type { BadBlocks } from '../../fs/bad-blocks.js'
import { readSuperblock } from '../../fs/superblock-copies.js'
import { VolumeError } from '../../fs/volume-error.js'
import type { MappedMedium } from '../../pmem/mapped-medium.js'
import { messageOf, withDevices, withMedium } from '../with-devices.js'
import { dumpSuperblocks } from './dump-superblock.js'
import { type DumpRequest, dumpVolume } from './dump-volume.js'
import { NotThereError } from './find-inode.js'
import type { DumpSection } from './section.js'

export interface DeviceDump {
  readonly sections: readonly DumpSection[]
  /** Why there is no more, in one line; null where all is there. */
  readonly problem: string | null
}

/** @param named some devices of the volume, or all in any order */
export function dumpDevices(named: readonly string[], request: DumpRequest): DeviceDump {
  try {
    return withDevices(named, { access: 'read-only', exclusive: false }, (devices) =>
      withMedium(devices, 'read-only', (medium, bad) => dumpMedium(medium, bad, named, request)),
    )
  } catch (error) {
    const problem =
      error instanceof NotThereError ? `${named.join(', ')}: ${error.message}` : messageOf(error, named)
    if (problem === null) throw error
    return { sections: [], problem }
  }
}

function dumpMedium(
  medium: MappedMedium,
  bad: BadBlocks,
  named: readonly string[],
  request: DumpRequest,
): DeviceDump {
  try {
    return { sections: dumpVolume(medium, readSuperblock(medium).superblock, request, bad), problem: null }
  } catch (error) {
    if (!(error instanceof VolumeError) || error.code === 'foreign') throw error
    // Where nothing holds, what lies in the superblock's places is all there is to tell.
    return { sections: dumpSuperblocks(medium), problem: messageOf(error, named) }
  }
}
