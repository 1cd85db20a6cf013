// SPDX-License-Identifier: GPL-2.0-only
/** `info`: what is on a device, and while it is mounted also how full it is and what its server says. */
import { realpathSync, statfsSync } from 'node:fs'
import type { CommandModule } from 'yargs'
import { type MountEntry, findMount, mountType, readMountTable } from '../daemon/mount-table.js'
import { type SuperblockReading, readSuperblock } from '../fs/superblock.js'
import { type Device, openDevice } from '../pmem/device.js'
import { mapDevices, unmapDevices } from '../pmem/map-device.js'
import { MappedMedium } from '../pmem/mapped-medium.js'
import { about } from './command-error.js'
import { type Usage, type VolumeInfo, describeVolume, infoRows } from './volume-info.js'
import { printTable } from './table.js'

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
  const mount = findOurs(target)
  const path = mount === null ? target : mount.source
  const device = openDevice(path, { access: 'read-only', exclusive: false })
  let volume: VolumeInfo
  try {
    volume = describeVolume(device, readFrom(device), mount)
  } finally {
    device.close()
  }
  const usage = mount === null ? null : usageOf(mount.mountpoint)
  const server = mount === null ? null : await queryServer(mount.mountpoint)
  if (json) {
    console.log(JSON.stringify({ ...volume, usage, server }, null, 2))
    return
  }
  console.log(path)
  printTable(infoRows(volume, usage, server))
}

function readFrom(device: Device): SuperblockReading {
  const description = mapDevices([device], 'read-only')
  const medium = new MappedMedium(description)
  try {
    return readSuperblock(medium)
  } finally {
    medium.release()
    unmapDevices(description)
  }
}

/** Our mount that the target names, by its mount point or by its device. */
function findOurs(target: string): MountEntry | null {
  const table = readMountTable()
  const path = realpathOf(target)
  const at = findMount(path, table)
  if (at?.type === mountType) return at
  return table.findLast(({ type, source }) => type === mountType && realpathOf(source) === path) ?? null
}

function realpathOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
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

async function queryServer(mountpoint: string): Promise<object | null> {
  const { queryDaemon } = await import('../daemon/control.js')
  return queryDaemon(mountpoint)
}
