// SPDX-License-Identifier: GPL-2.0-only
/**
 * Which devices make up a volume, and in which order. One names any of them, or all in any order; what was not named is
 * looked for (device-search.ts). Each device says by its header to which volume it belongs and which one it is, and the
 * newest superblock says which ones there are. A device that is missing, foreign, doubled or too short is named here,
 * by its path; one that is stale shows when the superblocks are read (src/fs/superblock-copies.ts). One whose header is
 * lost may still be recognized (lost-header.ts).
 */
import type { BigIntStats } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { blockBytes, headerBlock, rootsBlock, superblockBlock } from '../../layout/geometry.js'
import { roots } from '../../layout/roots.js'
import { formatVersion, superblock as layout } from '../../layout/superblock.js'
import {
  type DeviceHeader,
  areOfSameVolume,
  headerFor,
  identifierText,
  isDevice,
  nth,
} from '../fs/device-header.js'
import { deviceSegments, usedDeviceBlocks } from '../fs/segments.js'
import { type Superblock, isUnderstood } from '../fs/superblock.js'
import { changedApart, isCopyOn, newestOf, secondCopyOf } from '../fs/superblock-copies.js'
import { VolumeError } from '../fs/volume-error.js'
import { statDevice } from '../pmem/device-open.js'
import { belowText, liesBelow } from '../pmem/loop.js'
import { isSameDevice } from '../pmem/lock-holder.js'
import { type DeviceRun, deviceBlocks } from '../pmem/map-device.js'
import { type ReadBytes, headerAt, superblockAt, withReader } from './device-reader.js'
import { type Search, placesNear } from './device-search.js'
import { checkCopy, copyBesideHeader, withoutHeader } from './lost-header.js'
import { UnseenDevices } from './unseen-devices.js'

const at = layout.word

export interface VolumeDevices {
  /** In the order in which they lie on the medium. */
  readonly paths: readonly string[]
  /** What the volume has of them; null: all, as far as one can tell. */
  readonly runs: readonly DeviceRun[] | null
}

/** What lies on a device that says where it belongs. */
export interface DeviceLook {
  readonly path: string
  readonly stats: BigIntStats
  readonly blocks: number
  /** Null where it is damaged, or there is none. */
  readonly header: DeviceHeader | null
  /** What reading the header threw; null where it was read. */
  readonly unread: unknown
  /** There is neither a header of this version of the format, nor one of another version. */
  readonly isHeaderLost: boolean
  /** The copy of the superblock next to the header, where nothing but a copy can be; null where it is damaged. */
  readonly firstCopy: Superblock | null
  /** The newest good copy on the device; null where there is none. */
  readonly superblock: Superblock | null
}

/**
 * Changes nothing and locks nobody out, so what it finds may change before the devices are opened: reading the volume
 * tells then (readSuperblock), and {@link openFound} looks again. Where nothing is known of a volume, the devices are
 * those that were named.
 * @param named at least one, and each once
 * @throws DeviceError, and VolumeError where the devices that were named do not make up a volume
 */
export function findDevices(named: readonly string[], search: Search = placesNear): VolumeDevices {
  const looks = named.map(lookAt)
  refuseRepetition(looks)
  const asNamed = { paths: looks.map(({ path }) => path), runs: null }
  const key = looks.find(({ header }) => header !== null)?.header ?? keyOf(newestOn(looks))
  if (key === null) return asNamed
  if (isAlone(looks)) return { ...asNamed, runs: runsAlone(looks[0]!) }
  const lost = looks.filter(({ isHeaderLost }) => isHeaderLost)
  const own = looks.filter((look) => !lost.includes(look))
  for (const look of own) checkMember(look, key)
  const members = [...own]
  const unseen = new UnseenDevices()
  const paths = looks.map(({ path }) => path)
  for (const places of search(paths, unseen)) {
    if (isComplete(members)) break
    members.push(...membersAt(places, key, members, unseen))
  }
  const copies = lost.flatMap((look) => copyBesideHeader(look, key) ?? [])
  const superblock = newest([...members.map((look) => look.superblock), ...copies])
  if (superblock === null || !isUnderstood(superblock)) {
    for (const look of lost) checkCopy(look, key)
    // Reading the volume says what is wrong with it.
    return asNamed
  }
  for (const look of own) checkPlace(look, superblock)
  const placed = deviceSegments(superblock).map((_, n) => deviceOf(superblock, n, own, members))
  const rest = lost.length === 0 ? null : withoutHeader(lost, key, superblock, placed, looks.length)
  const devices = placed.map((found, n) => {
    const look = found ?? rest
    if (look === null) throw new VolumeError('foreign', missingText(superblock, n) + unseen.text)
    checkLength(look, superblock, n)
    return look
  })
  return { paths: devices.map(({ path }) => path), runs: runsOf(superblock) }
}

/**
 * Opens a volume on the devices that {@link findDevices} finds. Where that fails because the volume has grown since
 * they were found, it is opened anew, once.
 * @param open opens and locks them, and gives them back where it throws
 * @throws DeviceError, VolumeError, and what `open` throws
 */
export function openFound<Opened>(named: readonly string[], open: (found: VolumeDevices) => Opened): Opened {
  const found = findDevices(named)
  try {
    return open(found)
  } catch (error) {
    if (!(error instanceof VolumeError)) throw error
    const now = findDevices(named)
    if (isDeepStrictEqual(now, found)) throw error
    return open(now)
  }
}

/** @throws DeviceError */
export function lookAt(path: string): DeviceLook {
  return withReader(path, (read, device) => {
    const stats = statDevice(path)
    const blocks = deviceBlocks(device)
    const found = headerOn(read)
    const firstCopy = newest([copyIn(read, superblockBlock, blocks)])
    const superblock = superblockOn(read, blocks, found.header, firstCopy)
    return { path, stats, blocks, ...found, firstCopy, superblock }
  })
}

function headerOn(read: ReadBytes): Pick<DeviceLook, 'header' | 'unread' | 'isHeaderLost'> {
  try {
    const header = headerAt(read, headerBlock)
    if (header.isUnderstood()) return { header, unread: null, isHeaderLost: false }
    return { header: null, unread: null, isHeaderLost: !header.isWhole() }
  } catch (error) {
    return { header: null, unread: error, isHeaderLost: true }
  }
}

/** The newest copy on the device. */
function superblockOn(
  read: ReadBytes,
  blocks: number,
  header: DeviceHeader | null,
  firstCopy: Superblock | null,
): Superblock | null {
  const copies = [firstCopy, copyIn(read, secondCopyOn(blocks, header, firstCopy), blocks)]
  return newest(
    copies.filter((copy) => copy !== null && isCopyOn(copy, header, firstCopy, () => rootsOn(read))),
  )
}

/** Zeros where they cannot be read. */
function rootsOn(read: ReadBytes): Uint32Array {
  try {
    return new Uint32Array(read(rootsBlock * blockBytes, roots.lengthBytes).slice().buffer)
  } catch {
    return new Uint32Array(roots.lengthWords)
  }
}

/** @returns 0 for none: where there is no second copy, what looks like one is data */
function secondCopyOn(blocks: number, header: DeviceHeader | null, firstCopy: Superblock | null): number {
  // Which device of several it is on, the first copy does not say.
  if (header === null && firstCopy !== null && firstCopy.get(at.deviceCount) > 1) return 0
  return secondCopyOf(blocks, header, firstCopy)
}

/** Null where there is none, or it cannot be read. Opening the device for use meets that again, and reports it. */
function copyIn(read: ReadBytes, block: number, blocks: number): Superblock | null {
  if (block <= 0 || block >= blocks) return null
  try {
    return superblockAt(read, block)
  } catch {
    return null
  }
}

/** The newest superblock on any of the devices. */
export function newestOn(looks: readonly DeviceLook[]): Superblock | null {
  return newest(looks.map(({ superblock }) => superblock))
}

/** Of those in a format that is understood. */
function newest(copies: readonly (Superblock | null)[]): Superblock | null {
  const there = copies.filter((copy) => copy !== null)
  return newestOf(there.filter((copy) => copy.get(at.version) === formatVersion))
}

/** A header that names the volume, where the device's own is damaged. */
function keyOf(superblock: Superblock | null): DeviceHeader | null {
  return superblock === null || !isUnderstood(superblock) ? null : headerFor(superblock, 0)
}

/** Whether it is the only device of its volume, and the only one named. */
function isAlone(looks: readonly DeviceLook[]): boolean {
  const [{ header, superblock }] = looks as [DeviceLook]
  if (looks.length > 1 || superblock?.get(at.deviceCount) !== 1) return false
  // One that was to become a further device of a volume, and did not, has the superblock of that volume.
  return header === null || !isUnderstood(superblock) || isDevice(header, superblock, 0)
}

/** @throws VolumeError where the device lacks what it has gained once */
function runsAlone(look: DeviceLook): DeviceRun[] | null {
  const { superblock } = look
  // Reading the volume says what is wrong with it, also with a single segment.
  if (superblock === null || !isUnderstood(superblock)) return null
  const runs = runsOf(superblock)
  if (runs.length === 1 && runs[0]!.blocks > look.blocks) return null
  checkLength(look, superblock, 0)
  return runs
}

function runsOf({ segments }: Superblock): DeviceRun[] {
  return segments.map(({ device, deviceBlock, blocks }) => ({ device, deviceBlock, blocks }))
}

/** @throws VolumeError where two of the names lead to the same device */
function refuseRepetition(looks: readonly DeviceLook[]): void {
  for (const [n, { path, stats }] of looks.entries()) {
    const other = looks.slice(0, n).find((earlier) => isSameDevice(earlier.stats, stats))
    if (other !== undefined) {
      const what = other.path === path ? 'is named twice' : `is the same device as ${other.path}`
      throw new VolumeError('foreign', `${path} ${what}`)
    }
    const loop = looks.find((upper) => liesBelow(path, stats, upper.stats))
    if (loop !== undefined) throw new VolumeError('foreign', `${path} ${belowText(loop.path)}`)
  }
}

/** @throws VolumeError where the device is none of the volume's */
function checkMember({ path, header }: DeviceLook, key: DeviceHeader): void {
  if (header === null)
    throw new VolumeError('foreign', `${path} has the header of another version of the format`)
  if (!areOfSameVolume(header, key))
    throw new VolumeError('foreign', `${path} belongs to another file system`)
}

/** @throws VolumeError where the device was named, and is none that the volume has */
function checkPlace(look: DeviceLook, superblock: Superblock): void {
  if (isPlacedIn(look, superblock)) return
  // No device is ever taken from a volume. So where its own superblock names this one, the others are from a backup
  // made before it joined, or it joined a clone of the volume.
  const isOfCopy = look.superblock !== null && isPlacedIn(look, look.superblock)
  const problem = isOfCopy ? changedApart : 'is none of the devices that its volume has'
  throw new VolumeError('foreign', `${look.path} ${problem}`)
}

/** Whether there is a device for each place of the volume. */
function isComplete(members: readonly DeviceLook[]): boolean {
  const superblock = newestOn(members)
  if (superblock === null || !isUnderstood(superblock)) return false
  return deviceSegments(superblock).every((_, device) =>
    members.some((look) => isPlacedAt(look, superblock, device)),
  )
}

/** Whether the device has a place in the volume. */
function isPlacedIn(look: DeviceLook, superblock: Superblock): boolean {
  return deviceSegments(superblock).some((_, device) => isPlacedAt(look, superblock, device))
}

function isPlacedAt({ header }: DeviceLook, superblock: Superblock, device: number): boolean {
  return header !== null && isDevice(header, superblock, device)
}

/** Devices of the volume among others. */
function membersAt(
  places: Iterable<string>,
  key: DeviceHeader,
  known: readonly DeviceLook[],
  unseen: UnseenDevices,
): DeviceLook[] {
  const found: DeviceLook[] = []
  for (const path of places) {
    const look = lookPast(path, unseen)
    if (look?.header == null || !areOfSameVolume(look.header, key)) continue
    if ([...known, ...found].some(({ stats }) => isSameDevice(stats, look.stats))) continue
    found.push(look)
  }
  return found
}

/** As {@link lookAt} in a search, which goes on where a device cannot be looked at. @returns null there */
export function lookPast(path: string, unseen: UnseenDevices): DeviceLook | null {
  try {
    const look = lookAt(path)
    if (look.unread !== null) unseen.add(path, look.unread)
    return look
  } catch (error) {
    unseen.add(path, error)
    return null
  }
}

/** One that was named goes before those that were found. @returns null where there is none @throws VolumeError */
function deviceOf(
  superblock: Superblock,
  device: number,
  named: readonly DeviceLook[],
  members: readonly DeviceLook[],
): DeviceLook | null {
  const fitting = (looks: readonly DeviceLook[]) =>
    looks.filter((look) => isPlacedAt(look, superblock, device))
  const meant = fitting(named)
  const [look, other] = meant.length > 0 ? meant : fitting(members)
  if (other !== undefined) {
    const both = `${look!.path} and ${other.path} are both ${placeText(superblock, device)}`
    throw new VolumeError('foreign', `${both}: one is a copy of the other; name the one that belongs to it`)
  }
  return look ?? null
}

function missingText(superblock: Superblock, device: number): string {
  const which = `${placeText(superblock, device)}, identifier ${identifierText(superblock, device)},`
  return `${which} is missing: it was not found; name it`
}

function placeText(superblock: Superblock, device: number): string {
  return `${nth(device)} of its ${superblock.get(at.deviceCount)}`
}

/** @throws VolumeError where the device is too short */
function checkLength({ path, blocks }: DeviceLook, superblock: Superblock, device: number): void {
  const missing = usedDeviceBlocks(superblock, device) - blocks
  if (missing <= 0) return
  const what = `${path} is ${missing * blockBytes} bytes shorter than its part of the file system`
  throw new VolumeError('size', what)
}
