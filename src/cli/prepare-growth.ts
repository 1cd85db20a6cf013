// SPDX-License-Identifier: GPL-2.0-only
/**
 * Makes ready what a file system is to grow by: its own file, made longer, or further devices. Invariant: nothing is
 * changed before it is certain that it can grow so, and where that fails all the same, {@link Ends} undo it.
 */
import { blockBytes } from '../../layout/geometry.js'
import { mostDevices } from '../../layout/superblock.js'
import {
  type Overwriting,
  addedSegments,
  checkSize,
  gainsAt,
  gainsOfFurther,
  haveGained,
  leastGain,
  readyGains,
  roomsOf,
  wasToJoin,
} from '../api/device-growth.js'
import { namesOf, refuseBadPlaces, refuseCutLists } from '../fs/bad-metadata.js'
import { tooManyDevices } from '../fs/format.js'
import { type Gain, planGrowth } from '../fs/grow.js'
import type { Superblock } from '../fs/superblock.js'
import { badBlocksOfVolume } from '../pmem/bad-blocks.js'
import type { Device } from '../pmem/device.js'
import { statDevice } from '../pmem/device-open.js'
import { isSameDevice } from '../pmem/lock-holder.js'
import { statOf } from '../pmem/probe.js'
import { CommandError, about } from './command-error.js'
import type { Ends } from './ends.js'
import type { Checkpoint } from './interruption.js'
import { refuseSize } from './mkfs.js'
import { type RoomNeed, checkRoom, roomError, takeRoom } from './mkfs-room.js'
import { type Target, openTarget, refuseBelow, refuseRepetition } from './mkfs-target.js'

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

/** What a volume can grow by. */
export interface PlannedGrowth {
  readonly gains: readonly Gain[]
  readonly next: Superblock
  /** Devices to add; none: it takes what its devices have gained. */
  readonly targets: readonly Target[]
  /** Of the disks, for all files that grow or are added. */
  readonly needs: readonly RoomNeed[]
}

/** A device to add, which has its size, and holds what it held. */
export interface FurtherDevice {
  readonly device: Device
  readonly overwriting: Overwriting | null
}

/**
 * Looks at what a volume can grow by; nothing is changed.
 * @param own devices of the volume @returns a text where there is nothing to do: the reason
 * @throws CommandError, DeviceError, VolumeError
 */
export async function lookAtGrowth(
  own: readonly Device[],
  superblock: Superblock,
  request: GrowRequest,
  ends: Ends,
): Promise<PlannedGrowth | string> {
  const { sizeBytes, sparse } = request
  refuseMembers(own, request.added)
  if (own.length + request.added.length > mostDevices)
    throw new CommandError(`${request.name}: ${tooManyDevices}, and this one has ${own.length} already`)
  const targets = await openFurther(request, ends)
  if (targets.length === 0 && sizeBytes !== null) checkSize(own, superblock, sizeBytes)
  const gains =
    targets.length === 0 ? gainsAt(superblock, own, sizeBytes) : gainsOfFurther(superblock, targets)
  if (gains.length === 0) {
    const isSome = haveGained(superblock, own)
    return isSome ? `what its devices have gained is too little: ${leastGain}` : 'its devices have not grown'
  }
  const next = planGrowth(superblock, gains)
  refuseBadGains([...own, ...targets], superblock, next)
  for (const target of targets) await about(target.path, () => refuseContents(target, superblock))
  const needs = addedSegments(superblock, next).map((segment, n): RoomNeed => {
    const { device, deviceBlock, blocks } = segment
    const { path, isOverwritten } = targets[n] ?? { path: own[device]!.path, isOverwritten: false }
    const rooms = roomsOf(segment, { sparse, isOverwritten })
    return { path, rooms, sizeBytes: (deviceBlock + blocks) * blockBytes }
  })
  const isFile = (n: number): boolean => targets[n]?.isFile ?? own[gains[n]!.device]!.kind === 'file'
  checkRoom(
    needs.filter((_, n) => isFile(n)),
    sparse,
  )
  return { gains, next, targets, needs }
}

/** @throws VolumeError where the volume would need bad blocks of what it is to gain */
function refuseBadGains(
  devices: readonly Pick<Device, 'path' | 'badBlocks' | 'isBadListCut' | 'clearing'>[],
  superblock: Superblock,
  next: Superblock,
): void {
  const badBlocks = badBlocksOfVolume(devices, next.segments)
  refuseCutLists(devices)
  const names = namesOf(next, devices)
  refuseBadPlaces(next, badBlocks, names, { added: superblock.segments.length })
}

/** Makes devices to add as long as they are to be, with room on their disks, which can be undone. */
export async function readyFurther(
  { targets, needs }: PlannedGrowth,
  { sizeBytes, sparse }: GrowRequest,
  checkpoint: Checkpoint,
): Promise<FurtherDevice[]> {
  const further: FurtherDevice[] = []
  for (const [n, target] of targets.entries()) {
    const { path, isFile, isOverwritten } = target
    const prepare = () => target.prepare((device) => takeRoom(device, needs[n]!, sparse))
    const device = await about(path, prepare)
    const overwriting = isOverwritten ? { sizeBytes: isFile ? sizeBytes : null, sparse } : null
    further.push({ device, overwriting })
    await checkpoint()
  }
  return further
}

/** Makes ready what the devices of a volume that is not mounted have gained, or what its file is to gain. */
export function readyOwn(
  own: readonly Device[],
  superblock: Superblock,
  { needs }: PlannedGrowth,
  { sizeBytes, sparse }: GrowRequest,
  ends: Ends,
): void {
  try {
    ends.onFailure(readyGains(own, superblock, sizeBytes, sparse))
  } catch (error) {
    throw roomError(needs, sparse, error)
  }
}

/** @throws CommandError where a device to add is one of the volume already, or named twice */
function refuseMembers(own: readonly Device[], added: readonly string[]): void {
  for (const path of added) {
    const stats = statOf(path)
    if (stats !== null && own.some((device) => isSameDevice(statDevice(device.path), stats)))
      throw new CommandError(`${path}: it is a device of this file system already`)
  }
  const paths = own.map((device) => device.path)
  for (const path of added) refuseBelow(path, paths)
  for (const path of paths) refuseBelow(path, added)
  refuseRepetition(added)
}

/** Looks at the devices to add; nothing is changed. @throws CommandError, DeviceError */
async function openFurther({ added, sizeBytes, force }: GrowRequest, ends: Ends): Promise<Target[]> {
  // Emptied, a file could lose its room on the disk to others, and a volume may be served by then.
  const contents = force ? 'wiped' : 'refused'
  const targets: Target[] = []
  for (const path of added)
    targets.push(await about(path, () => openTarget({ path, sizeBytes, contents }, ends)))
  if (sizeBytes !== null && targets.length > 0) refuseSize(targets)
  return targets
}

/**
 * Where the power failed while a device was being added, the device is left with a header of this volume. Adding it
 * again needs no --force.
 */
function refuseContents(target: Target, superblock: Superblock): void {
  target.refuseContents((device) => wasToJoin(device, superblock))
}
