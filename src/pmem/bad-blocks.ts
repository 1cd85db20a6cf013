// SPDX-License-Identifier: GPL-2.0-only
/**
 * Blocks of a device that the kernel knows to be bad, as /sys lists them: in sectors of 512 bytes, whatever the device
 * says of its own. A file has those of its disk on which its written extents lie. What becomes bad later, and what lies
 * below loop and device-mapper devices, is found by a load. A list that does not fit into a page is cut off there, even
 * within a number.
 *
 * An unwritten extent has none: it reads as zeros without the disk. On DAX, the file system writes zeros through the
 * driver before the first store to it, which clears the error (Documentation/filesystems/dax.rst of the kernel);
 * elsewhere, writing the page back does. The same holds for blocks allocated to a hole.
 *
 * Sources: block/badblocks.c (badblocks_show), fs/sysfs/file.c (sysfs_kf_seq_show), drivers/nvdimm/region_devs.c and
 * drivers/dax/bus.c of the kernel.
 */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { blockBytes, windowBlocks } from '../../layout/geometry.js'
import { deviceFolder, isPartition, readLine } from './device-facts.js'
import type { FileExtent } from './file-extents.js'
import type { DeviceRun } from './map-device.js'
import type { DeviceKind } from './persistence-domain.js'

/** Blocks of 4 KiB, one after the other. */
export interface BlockRun {
  readonly first: number
  readonly count: number
}

const sectorBytes = 512
const smallestPageBytes = 4096

export interface BadBlockList {
  /** In rising order, no block twice. */
  readonly runs: readonly BlockRun[]
  /** Whether the kernel may know of more. */
  readonly isCut: boolean
}

const none: BadBlockList = { runs: [], isCut: false }

/**
 * The bad blocks of a device. None where /sys does not tell.
 * @param device its number as stat(2) gives it; of a file, the one that it lies on (st_dev)
 * @param sizeBytes of the device: others may share what is listed
 * @param extentsOfFile asked only where something is listed
 */
export function badBlocksOf(
  kind: DeviceKind,
  device: bigint,
  sizeBytes: number,
  extentsOfFile: () => readonly FileExtent[],
  sys = '/sys',
): BadBlockList {
  const folder = deviceFolder(kind === 'devdax' ? 'char' : 'block', device, sys)
  const list = folder === null ? null : kind === 'devdax' ? ofRegion(folder) : ofDisk(folder)
  if (list === null || !/\d/.test(list.text)) return none
  const whole = { fileByte: 0, diskByte: 0, lengthBytes: sizeBytes }
  return badBlocksAmong(list, sizeBytes, kind === 'file' ? extentsOfFile() : [whole])
}

/** Lines of sectors and numbers of sectors, and where the device begins among them. */
interface SectorList {
  readonly text: string
  readonly startBytes: number
}

function ofDisk(folder: string): SectorList | null {
  const isPart = isPartition(folder)
  const text = readList(isPart ? dirname(folder) : folder)
  const start = isPart ? wholeNumber(readLine(join(folder, 'start'))) : 0
  return text === null || start === null ? null : { text, startBytes: start * sectorBytes }
}

/** Devdax has no list of its own: that of its region counts from where the region begins in physical memory. */
function ofRegion(folder: string): SectorList | null {
  const start = wholeNumber(readLine(join(folder, 'resource')) ?? readLine(join(folder, '../resource')))
  for (let at = dirname(folder); at !== dirname(at); at = dirname(at)) {
    const text = readList(at)
    if (text === null) continue
    const regionStart = wholeNumber(readLine(join(at, 'resource')))
    return start === null || regionStart === null ? null : { text, startBytes: start - regionStart }
  }
  return null
}

/** As it is, since its last byte tells whether it was cut off; null where there is none. */
function readList(folder: string): string | null {
  try {
    return readFileSync(join(folder, 'badblocks'), 'utf8')
  } catch {
    return null
  }
}

/** A number of a file of /sys, decimal or hexadecimal; null where it is none. */
function wholeNumber(text: string | null): number | null {
  if (text === null || !/^(0x[0-9a-f]+|\d+)$/i.test(text)) return null
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : null
}

function badBlocksAmong(
  { text, startBytes }: SectorList,
  sizeBytes: number,
  extents: readonly FileExtent[],
): BadBlockList {
  const runs: BlockRun[] = []
  const lines = text.split('\n')
  const isFull = isCutOff(text)
  // Behind the last end of a line.
  if (isFull) lines.pop()
  let listedBytes = 0
  for (const line of lines) {
    const [, sector, sectors] = /^\s*(\d+)\s+(\d+)\s*$/.exec(line) ?? []
    if (sector === undefined || sectors === undefined) continue
    const start = Number(sector) * sectorBytes - startBytes
    listedBytes = start + Number(sectors) * sectorBytes
    for (const { fileByte, diskByte, lengthBytes } of extents) {
      const from = Math.max(start - diskByte, 0) + fileByte
      const end = Math.min(Math.min(listedBytes - diskByte, lengthBytes) + fileByte, sizeBytes)
      const first = Math.floor(from / blockBytes)
      if (from < end) runs.push({ first, count: Math.ceil(end / blockBytes) - first })
    }
  }
  // They are listed in rising order, so what lies beyond the end of the device concerns others.
  const isBeyond = extents.some(({ diskByte, lengthBytes }) => diskByte + lengthBytes > listedBytes)
  return { runs: mergeRuns(runs), isCut: isFull && isBeyond }
}

/** Whether a text is all that the kernel gives of a longer one: a page without its last byte. */
function isCutOff(text: string): boolean {
  const { length } = text
  if (length < smallestPageBytes - 1) return false
  return !text.endsWith('\n') || (length + 1) % smallestPageBytes === 0
}

/** The same blocks in rising order, each once, in as few runs as there can be. */
export function mergeRuns(runs: readonly BlockRun[]): BlockRun[] {
  const merged: BlockRun[] = []
  for (const { first, count } of [...runs].sort((a, b) => a.first - b.first)) {
    const last = merged.at(-1)
    if (last === undefined || first > last.first + last.count) merged.push({ first, count })
    else
      merged[merged.length - 1] = {
        first: last.first,
        count: Math.max(last.count, first + count - last.first),
      }
  }
  return merged
}

/**
 * The bad blocks of the devices as blocks of the medium that runs of them make.
 * @param devices of which {@link BlockRun} are known @param runs in the order in which they lie on the medium
 */
export function badBlocksOfVolume(
  devices: readonly { readonly badBlocks: readonly BlockRun[] }[],
  runs: readonly DeviceRun[],
): BlockRun[] {
  const bad = [...placed(runs)].flatMap(({ device, deviceBlock, mediumBlock, blocks }) =>
    moved(devices[device]!.badBlocks, deviceBlock, blocks, mediumBlock),
  )
  return mergeRuns(bad)
}

/**
 * The same the other way round: bad blocks of the medium as blocks of each device.
 * @param deviceCount devices that the runs are of
 */
export function badBlocksOfDevices(
  bad: readonly BlockRun[],
  runs: readonly DeviceRun[],
  deviceCount: number,
): BlockRun[][] {
  const found = Array.from({ length: deviceCount }, (): BlockRun[] => [])
  for (const { device, deviceBlock, mediumBlock, blocks } of placed(runs))
    found[device]!.push(...moved(bad, mediumBlock, blocks, deviceBlock))
  return found.map(mergeRuns)
}

/** With the block of the medium that each run begins with. */
function* placed(runs: readonly DeviceRun[]): Generator<DeviceRun & { readonly mediumBlock: number }> {
  let window = 0
  for (const run of runs) {
    yield { ...run, mediumBlock: window * windowBlocks }
    window += Math.ceil(run.blocks / windowBlocks)
  }
}

/** What of the runs lies in `blocks` from block `from` on, where that is block `to`. */
function moved(bad: readonly BlockRun[], from: number, blocks: number, to: number): BlockRun[] {
  return bad.flatMap(({ first, count }) => {
    const start = Math.max(first, from)
    const end = Math.min(first + count, from + blocks)
    return start < end ? [{ first: start - from + to, count: end - start }] : []
  })
}
