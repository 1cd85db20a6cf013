// SPDX-License-Identifier: GPL-2.0-only
/** `info`: what is on a device, and while it is mounted also how full it is and what its server says. */
import { statfsSync } from 'node:fs'
import type { CommandModule } from 'yargs'
import { withMedium } from '../check/with-devices.js'
import { findOurMount } from '../daemon/mount-table.js'
import { type SuperblockReading, readSuperblock } from '../fs/superblock.js'
import { type Device, openDevice } from '../pmem/device.js'
import { CommandError, about, isSystemError } from './command-error.js'
import { type Live, type Usage, liveRows } from './live-info.js'
import { printTable } from './table.js'
import { type VolumeInfo, describeVolume, remarkRows, volumeRows } from './volume-info.js'

interface InfoArguments {
  readonly target: string
  readonly json: boolean
}

export const infoCommand: CommandModule<object, InfoArguments> = {
  command: 'info <target>',
  describe: 'Tell what is on a device or behind a mount point',
  builder: (parser) =>
    parser
      .positional('target', {
        type: 'string',
        demandOption: true,
        describe: 'A device, a file or a mount point',
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print it as JSON' })
      .example('$0 info /dev/pmem0', 'tell of the file system on a device')
      .example('$0 info /mnt/pmfs2 --json', 'tell of a mounted one, for a program'),
  handler: ({ target, json }) => about(target, () => info(target, json)),
}

async function info(target: string, json: boolean): Promise<void> {
  const mount = findOurMount(target)
  const path = mount === null ? target : mount.source
  const device = openDevice(path, { access: 'read-only', exclusive: false })
  let volume: VolumeInfo
  try {
    volume = describeVolume(device, readFrom(device), mount)
  } finally {
    device.close()
  }
  const live = mount === null ? null : await askServer(mount.mountpoint)
  if (json) {
    console.log(
      JSON.stringify({ ...volume, usage: live?.usage ?? null, server: live?.server ?? null }, null, 2),
    )
    return
  }
  console.log(path)
  printTable([...volumeRows(volume), ...(live === null ? [] : liveRows(live)), ...remarkRows(volume)])
}

function readFrom(device: Device): SuperblockReading {
  return withMedium([device], 'read-only', readSuperblock)
}

/** What only the server knows. */
async function askServer(mountpoint: string): Promise<Live> {
  const { queryDaemon } = await import('../daemon/control.js')
  try {
    return { usage: usageOf(mountpoint), server: await queryDaemon(mountpoint) }
  } catch (error) {
    if (!isSystemError(error) || error.code !== 'ENOTCONN') throw error
    throw new CommandError(`${mountpoint}: its server is gone; umount it, and mount it again`)
  }
}

function usageOf(mountpoint: string): Usage {
  const { bsize, blocks, bfree, files, ffree } = statfsSync(mountpoint)
  return {
    totalBytes: blocks * bsize,
    usedBytes: (blocks - bfree) * bsize,
    freeBytes: bfree * bsize,
    usedInodes: files - ffree,
    freeInodes: ffree,
  }
}
