// SPDX-License-Identifier: GPL-2.0-only
/**
 * The headers of a volume's devices: they say which devices these are, and so whether they are the ones that belong
 * here.
 */
import { deviceHeader as layout, headerMagicHigh, headerMagicLow } from '../../layout/device-header.js'
import { blockBytes, headerBlock } from '../../layout/geometry.js'
import { formatVersion, superblock as superblockLayout } from '../../layout/superblock.js'
import type { Medium } from '../pmem/medium.js'
import { copyIdentifier, identifierHex, isSameIdentifier, deviceIdentifierWord } from './identifier.js'
import { deviceSegments } from './segments.js'
import { SelfDescribingBlock, wordsOfBlock } from './self-describing-block.js'
import type { Superblock } from './superblock.js'
import { VolumeError } from './volume-error.js'

const at = layout.word
const of = superblockLayout.word

export class DeviceHeader extends SelfDescribingBlock {
  hasMagic(): boolean {
    return this.hasMagicOf(headerMagicLow, headerMagicHigh)
  }

  /** Whether it is whole, and in the format of this program. */
  isUnderstood(): boolean {
    return this.isWhole() && this.get(at.version) === formatVersion
  }
}

/** What lies in a block, as a header; zeros where the block is bad. */
export function loadHeader(medium: Medium, block: number): DeviceHeader {
  return new DeviceHeader(wordsOfBlock(medium, block))
}

/**
 * The header of a device as the superblock has it; storing it adds the checksum.
 * @param joinedSeconds when it joined, since 1970; with the volume, unless said
 */
export function headerFor(
  superblock: Superblock,
  device: number,
  joinedSeconds = superblock.getNumber(of.createdSeconds),
): DeviceHeader {
  const header = new DeviceHeader()
  const { words } = header
  words[at.magicLow] = headerMagicLow
  words[at.magicHigh] = headerMagicHigh
  words[at.version] = formatVersion
  copyIdentifier(superblock.words, of.identity, words, at.volume)
  copyIdentifier(superblock.words, deviceIdentifierWord(device), words, at.device)
  words[at.index] = device
  words[at.blocks] = deviceSegments(superblock)[device]!.blocks
  words[at.joinedSeconds] = joinedSeconds >>> 0
  words[at.joinedSeconds + 1] = Math.floor(joinedSeconds / 2 ** 32)
  words[at.secondCopy] = device === 0 ? superblock.secondCopyBlock : 0
  return header
}

/** Writes the headers of all devices; the caller fences. */
export function writeHeaders(medium: Medium, superblock: Superblock): void {
  deviceSegments(superblock).forEach(({ first }, device) =>
    headerFor(superblock, device).store(medium, first + headerBlock),
  )
}

/**
 * Writes those that are damaged, and flushes the others, which a server that was killed may have stored and not made
 * durable; the caller fences.
 */
export function levelHeaders(medium: Medium, superblock: Superblock): void {
  deviceSegments(superblock).forEach(({ first }, device) => {
    const block = first + headerBlock
    if (loadHeader(medium, block).isWhole()) medium.flush(block, 0, blockBytes)
    else headerFor(superblock, device).store(medium, block)
  })
}

/**
 * Holds the devices against the superblock. Of several devices, one may have a damaged header: the others leave one
 * place, and its copies of the superblock say that it belongs to the volume.
 * @param hasCopy whether a device has a copy of this volume's superblock
 * @returns which headers are damaged, in words for people
 * @throws VolumeError where a device is not the one that belongs in its place, or cannot be told to be
 */
export function checkHeaders(
  medium: Medium,
  superblock: Superblock,
  hasCopy: (device: number) => boolean,
): string[] {
  const segments = deviceSegments(superblock)
  const damaged: number[] = []
  for (const [device, { first }] of segments.entries()) {
    if (!medium.has(first + headerBlock)) throw new VolumeError('size', `${nth(device)} is missing`)
    const header = loadHeader(medium, first + headerBlock)
    if (header.isWhole()) checkIdentity(header, superblock, device, deviceName(medium, superblock, device))
    else damaged.push(device)
  }
  if (damaged.length === 0) return []
  if (segments.length === 1) return ['the header of the device is damaged; the superblock tells the same']
  const names = damaged.map((device) => deviceName(medium, superblock, device))
  const without = damaged.findIndex((device) => !hasCopy(device))
  if (without >= 0) refuseUnknown(names[without]!)
  if (damaged.length > 1) refuseDamaged(names)
  return [`the header of ${names[0]!} is damaged; its superblock says that it belongs here`]
}

/** @param name of a device, or its path @throws VolumeError */
export function refuseUnknown(name: string): never {
  const lacks = `${name} has neither a header nor a superblock`
  throw new VolumeError('foreign', `${lacks} that would say whether it belongs to the volume`)
}

/** @param names of devices, or their paths @throws VolumeError */
export function refuseDamaged(names: readonly string[]): never {
  const damage = `the headers of ${names.join(' and ')} are damaged`
  throw new VolumeError('foreign', `${damage}: a volume can do without one at most`)
}

function checkIdentity(header: DeviceHeader, superblock: Superblock, device: number, name: string): void {
  if (!isOfVolume(header, superblock))
    throw new VolumeError('foreign', `${name} belongs to another file system`)
  const index = header.get(at.index)
  if (index !== device) {
    throw new VolumeError('foreign', `${name} is number ${index + 1} of the volume`)
  }
  if (!isDevice(header, superblock, device)) {
    throw new VolumeError('foreign', `${name} is another one than the volume was made on`)
  }
}

/** Whether a device says that it belongs to the volume. */
export function isOfVolume(header: DeviceHeader, superblock: Superblock): boolean {
  return isSameIdentifier(header.words, at.volume, superblock.words, of.identity)
}

/** Whether a device is this one of the volume. */
export function isDevice(header: DeviceHeader, superblock: Superblock, device: number): boolean {
  return isSameIdentifier(header.words, at.device, superblock.words, deviceIdentifierWord(device))
}

/** Whether two devices say that they belong to the same volume. */
export function areOfSameVolume(header: DeviceHeader, other: DeviceHeader): boolean {
  return isSameIdentifier(header.words, at.volume, other.words, at.volume)
}

/** What a device says that it is. */
export function identifierOf({ words }: DeviceHeader): string {
  return identifierHex(words, at.device)
}

/** The identifier of a device, as the superblock has it, for people. */
export function identifierText(superblock: Superblock, device: number): string {
  return identifierHex(superblock.words, deviceIdentifierWord(device))
}

/** A device for people, who count from 1. */
export function nth(device: number): string {
  return `device number ${device + 1}`
}

/** A device for people, with its path where that is known, as people see no numbers on devices. */
export function deviceName(medium: Medium, superblock: Superblock, device: number): string {
  const segments = deviceSegments(superblock)
  const path = segments.length === 1 ? null : medium.pathAt(segments[device]!.first)
  return path === null ? nth(device) : `${nth(device)}, ${path},`
}
