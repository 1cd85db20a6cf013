// SPDX-License-Identifier: GPL-2.0-only
/**
 * Finds the device of a volume by its UUID or label. mount(8) leaves that to libblkid, which does not know the format,
 * so every block device and devdax device is looked at here.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { blockBytes, superblockBlock } from '../../layout/geometry.js'
import type { Superblock } from '../fs/superblock.js'
import { openDevice } from '../pmem/device.js'
import { CommandError } from './command-error.js'
import { readerOf, superblockAt } from './device-reader.js'

/** Devices that hold no volume; to look at some takes long. */
const passed = /^(?:fd|sr|ram|zram)\d/

/**
 * @param name a path; or `UUID=…` or `LABEL=…`, also after `pmfs2:`, which keeps mount(8) from looking for it
 * @throws CommandError where no device has it, or several do
 */
export function deviceNamed(name: string): Promise<string> {
  return Promise.resolve(deviceByTag(name) ?? name)
}

function deviceByTag(name: string): string | null {
  const [, tag, quoted] = /^(?:pmfs2:)?(UUID|LABEL)=(.+)$/s.exec(name) ?? []
  if (tag === undefined || quoted === undefined || existsSync(name)) return null
  const value = quoted.replace(/^(["'])(.*)\1$/s, '$2')
  const isMeant = (volume: Superblock): boolean =>
    tag === 'UUID' ? volume.uuid === value.toLowerCase() : volume.label === value
  const devices = candidates().filter((device) => {
    const volume = volumeOn(device)
    return volume !== null && isMeant(volume)
  })
  const [device, ...others] = devices
  if (device === undefined)
    throw new CommandError(
      `${tag}=${value}: no block device and no devdax device holds such a PMFS2 file system`,
    )
  if (others.length > 0)
    throw new CommandError(
      `${tag}=${value}: ${devices.join(' and ')} hold such a file system; name the device`,
    )
  return device
}

function candidates(): string[] {
  const blocks = readFileSync('/proc/partitions', 'utf8')
    .split('\n')
    .flatMap((line) => /^ *\d+ +\d+ +[1-9]\d* +(\S+)$/.exec(line)?.[1] ?? [])
    .filter((name) => !passed.test(name))
    // The kernel writes a slash of a name so.
    .map((name) => name.replaceAll('!', '/'))
  const devdax = readdirSync('/dev').filter((name) => /^dax\d+\.\d+$/.test(name))
  return [...blocks, ...devdax].map((name) => `/dev/${name}`).filter((path) => existsSync(path))
}

/** The volume's superblock, either copy; null where there is none, or the device cannot be read. */
function volumeOn(path: string): Superblock | null {
  try {
    const device = openDevice(path, { access: 'read-only', exclusive: false })
    const { read, close } = readerOf(device)
    try {
      const last = Math.floor(device.sizeBytes / blockBytes) - 1
      const copies = [superblockBlock, last].filter((block) => block > 0)
      return copies.map((block) => superblockAt(read, block)).find((copy) => copy.isWhole()) ?? null
    } finally {
      close()
      device.close()
    }
  } catch {
    return null
  }
}
