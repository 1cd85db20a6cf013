// SPDX-License-Identifier: GPL-2.0-only
/**
 * Makes ready what a file system is to grow by: its own file, made longer, or further devices. Invariant: nothing is
 * changed before it is certain that it can grow so, and where that fails all the same, {@link Ends} undo it.
 */
import { blockBytes } from '../../layout/geometry.js'
import {
  gainOf,
  gainsOf,
  gainsOfFurther,
  haveGained,
  leastGainedBytes,
  wasToJoin,
} from '../api/device-growth.js'
import { namesOf, refuseBadPlaces } from '../fs/bad-metadata.js'
import { type Gain, planGrowth } from '../fs/grow.js'
import { deviceSegments } from '../fs/segments.js'
import type { Superblock } from '../fs/superblock.js'
import { badBlocksOfVolume } from '../pmem/bad-blocks.js'
import type { Device } from '../pmem/device.js'
import { statDevice } from '../pmem/device-open.js'
import { isSameDevice } from '../pmem/lock-holder.js'
import { statOf } from '../pmem/probe.js'
import { CommandError, UsageError, about } from './command-error.js'
import type { Ends } from './ends.js'
import { refuseSize } from './mkfs.js'
import { checkGainedRoom, takeGainedRoom, takeRoom } from './mkfs-room.js'
import { type Target, openTarget, refuseRepetition, resize } from './mkfs-target.js'
import { formatSize } from './size.js'
import { wipeDevice } from './wipe.js'

const leastGain = 'a gain begins at a multiple of 2 MiB, and has at least 1 MiB'

/** What was asked for. */
export interface GrowRequest {
  /** As the volume was named. */
  readonly name: string
  readonly added: readonly string[]
  /** The real names of these. */
  readonly places: readonly string[]
  readonly sizeBytes: number | null
  readonly force: boolean
  readonly sparse: boolean
}

/** What the volume can grow by now. */
export interface Prepared {
  readonly gains: readonly Gain[]
  readonly next: Superblock
  /** Devices to add, ready for that. */
  readonly further: readonly Device[]
}

/** @param own devices of the volume @returns why there is nothing to do, where that is so */
export async function prepareGrowth(
  own: readonly Device[],
  superblock: Superblock,
  request: GrowRequest,
  ends: Ends,
): Promise<Prepared | string> {
  refuseMembers(own, request.added)
  const targets = await openFurther(request, ends)
  if (targets.length > 0) {
    const blocks = targets.map(({ blocks }) => blocks)
    const gains = gainsOfFurther(superblock, blocks)
    const next = planGrowth(superblock, gains)
    refuseBadGains([...own, ...targets], superblock, next)
    return { gains, next, further: await readyFurther(targets, superblock, next, request) }
  }
  if (request.sizeBytes !== null) checkSize(own, request.sizeBytes, superblock, request.name)
  const gains = gainsAt(own, request.sizeBytes, superblock)
  if (gains.length === 0) {
    const isSome = haveGained(superblock, own)
    return isSome ? `what its devices have gained is too little: ${leastGain}` : 'its devices have not grown'
  }
  const next = planGrowth(superblock, gains)
  refuseBadGains(own, superblock, next)
  for (const { device, deviceBlock, blocks } of request.sparse ? [] : gains)
    checkGainedRoom(own[device]!, deviceBlock * blockBytes, blocks * blockBytes)
  if (request.sizeBytes !== null) enlarge(own[0]!, request.sizeBytes, ends)
  takeRoomOf(own, gains, next, request.sparse)
  return { gains, next, further: [] }
}

/** @throws VolumeError where the volume would need bad blocks of what it is to gain */
function refuseBadGains(
  devices: readonly Pick<Device, 'path' | 'badBlocks'>[],
  superblock: Superblock,
  next: Superblock,
): void {
  const badBlocks = badBlocksOfVolume(devices, next.segments)
  const names = namesOf(
    next,
    devices.map(({ path }) => path),
  )
  refuseBadPlaces(next, badBlocks, names, { added: superblock.segments.length })
}

/** @param sizeBytes that the only device is to have; null: as they are */
function gainsAt(devices: readonly Device[], sizeBytes: number | null, superblock: Superblock): Gain[] {
  if (sizeBytes === null) return gainsOf(superblock, devices)
  const { alignBytes } = devices[0]!
  const gain = gainOf(superblock, 0, { alignBytes, sizeBytes })
  return gain === null ? [] : [gain]
}

/** @throws CommandError where a device to add is one of the volume already, or named twice */
function refuseMembers(own: readonly Device[], added: readonly string[]): void {
  for (const path of added) {
    const stats = statOf(path)
    if (stats !== null && own.some((device) => isSameDevice(statDevice(device.path), stats)))
      throw new CommandError(`${path}: it is a device of this file system already`)
  }
  refuseRepetition(added)
}

/** Looks at the devices to add; nothing is changed. @throws CommandError, DeviceError */
async function openFurther({ added, sizeBytes, force }: GrowRequest, ends: Ends): Promise<Target[]> {
  const targets: Target[] = []
  for (const path of added)
    targets.push(await about(path, () => openTarget({ path, sizeBytes, force }, ends)))
  if (sizeBytes !== null && targets.length > 0) refuseSize(targets)
  return targets
}

/** Nothing is dropped before all devices have passed, and have the room that they need. */
async function readyFurther(
  targets: readonly Target[],
  superblock: Superblock,
  next: Superblock,
  { sparse, force }: GrowRequest,
): Promise<Device[]> {
  const first = deviceSegments(superblock).length
  const takeRoomOf = (n: number) => (device: Device) => takeRoom(device, next, first + n, sparse)
  for (const target of targets) await about(target.path, () => refuseContents(target, superblock))
  for (const [n, target] of targets.entries()) await about(target.path, () => target.prepare(takeRoomOf(n)))
  const devices: Device[] = []
  for (const [n, target] of targets.entries()) {
    const { device, zeroed } = await about(target.path, () => target.overwrite(takeRoomOf(n)))
    if (force && !zeroed) await about(target.path, () => wipeDevice(device))
    devices.push(device)
  }
  return devices
}

/** One that was to join this volume before is what one would add again. */
function refuseContents(target: Target, superblock: Superblock): void {
  const stats = statOf(target.path)
  const isEmpty = stats === null || (stats.isFile() && stats.size === 0n)
  if (!isEmpty && wasToJoin(target.path, superblock)) return
  target.refuseContents()
}

/** Whether the only device of a volume can be made so long. @throws CommandError, UsageError */
function checkSize(
  devices: readonly Device[],
  sizeBytes: number,
  superblock: Superblock,
  name: string,
): void {
  const [device] = devices as [Device]
  if (devices.length > 1) {
    const advice = 'make one of its files longer with truncate(1), and grow without --size'
    throw new UsageError(`${name}: it has ${devices.length} devices, and --size is for one file: ${advice}`)
  }
  const { path, kind } = device
  const oldBytes = device.sizeBytes
  if (kind !== 'file')
    throw new CommandError(`${path}: it is a device of ${formatSize(oldBytes)}; --size is for files`)
  if (sizeBytes < oldBytes) {
    const sizes = `it has ${formatSize(oldBytes)}, more than ${formatSize(sizeBytes)}`
    throw new CommandError(`${path}: ${sizes}, and a file system cannot shrink`)
  }
  const leastBytes = leastGainedBytes(superblock, 0, device)
  if (sizeBytes > oldBytes && sizeBytes < leastBytes) {
    const sizes = `${formatSize(sizeBytes - oldBytes)} more is too little: ${leastGain}`
    throw new CommandError(`${path}: ${sizes}; --size ${leastBytes / 1024}K is the least`)
  }
}

/** Makes a file longer. */
function enlarge(device: Device, sizeBytes: number, ends: Ends): void {
  const { path, sizeBytes: oldBytes } = device
  if (sizeBytes === oldBytes) return
  ends.onFailure(() => {
    // Somebody else may have made it longer still.
    if (statDevice(path).size === BigInt(sizeBytes)) resize(path, oldBytes)
  })
  resize(path, sizeBytes)
  device.measure()
}

function takeRoomOf(
  devices: readonly Device[],
  gains: readonly Gain[],
  next: Superblock,
  sparse: boolean,
): void {
  const added = next.segments.slice(-gains.length)
  for (const { device, first, deviceBlock, blocks, dataStart } of added) {
    const leadingBytes = (dataStart - first) * blockBytes
    takeGainedRoom(devices[device]!, deviceBlock * blockBytes, blocks * blockBytes, leadingBytes, sparse)
  }
}
