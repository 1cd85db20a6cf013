// SPDX-License-Identifier: GPL-2.0-only
/**
 * Devices that fail while they are mapped: a load or a store that the kernel answers with SIGBUS, or fdatasync(2)
 * with an error. The native helper notes the first failure of each mapping, and each bad page, which is no failure.
 * Invariant: a failure lasts as long as its mapping, so that nothing which was stored since is taken for durable, and
 * nothing that was read for what the device holds.
 */
import { blockBytes, windowBytes } from '../../layout/geometry.js'
import { EHWPOISON, type Mapping, badPage, failureWord, native } from '../native/index.js'
import type { Clearing } from './clearing.js'
import { DeviceError, deviceError } from './device-error.js'
import type { DeviceKind } from './persistence-domain.js'

/** A run of blocks of a device among the windows of a medium. */
export interface DevicePlace {
  readonly path: string
  readonly kind: DeviceKind
  readonly clearing: Clearing
  readonly firstWindow: number
  /** Where on the device the first window begins. */
  readonly offsetBytes: number
  /** Descriptor by which parts of it are freed, -1 where they cannot be. */
  readonly punchFd: number
}

const EFAULT = 14
const counters = new Int32Array(native.failures())
const badPages = new Int32Array(native.badPages())

/** Rises whenever something has failed or was found to be bad: one load, for the request path. */
export function attention(): number {
  return counters[failureWord.attention]!
}

/** Whether anything that this process has mapped has failed. */
export function hasAnythingFailed(): boolean {
  return counters[failureWord.count] !== 0
}

/** A bad page of a mapping: a block, by its number in it. */
export interface BadPage {
  readonly mapping: Mapping
  readonly page: number
  /** Zeros have taken its place, which some thread may have loaded. */
  readonly isReplaced: boolean
}

/** The bad pages of all mappings of this process, as far as anything has met them. */
export function* knownBadPages(): Generator<BadPage> {
  const used = Atomics.load(counters, failureWord.badPages) * badPage.words
  for (let at = 0; at < used; at += badPage.words) {
    const mapping = Atomics.load(badPages, at + badPage.mapping)
    if (mapping <= 0) continue
    const isReplaced = Atomics.load(badPages, at + badPage.isReplaced) !== 0
    yield { mapping: mapping as Mapping, page: badPages[at + badPage.page]!, isReplaced }
  }
}

/** The device that a window is of. @param devices in rising order of their windows */
export function deviceAt(devices: readonly DevicePlace[], window: number): DevicePlace | undefined {
  return devices.findLast(({ firstWindow }) => firstWindow <= window)
}

/** Where on its device a window begins. */
export function placeOf({ firstWindow, offsetBytes }: DevicePlace, window: number): number {
  return offsetBytes + (window - firstWindow) * windowBytes
}

/**
 * @param offsetBytes where on the device the mapping begins
 * @throws DeviceError where it has failed, or a bad page was met
 */
export function checkMapping(
  mapping: Mapping,
  { path, kind }: Pick<DevicePlace, 'path' | 'kind'>,
  offsetBytes: number,
): void {
  const failure = native.failureOf(mapping)
  if (failure > 0) throw describe(failure, path, kind, offsetBytes)
  for (const bad of knownBadPages())
    if (bad.mapping === mapping) throw badAt(path, offsetBytes + bad.page * blockBytes)
}

/** A bad block of a device that is not to be done without. @param byte where it begins on the device */
export function badAt(path: string, byte: number): DeviceError {
  return new DeviceError('EIO', `cannot access ${path} at byte ${byte}: its medium is bad there (SIGBUS)`)
}

/** How a medium failed, or null. @param devices in rising order of their windows */
export function failureOf(windows: readonly Mapping[], devices: readonly DevicePlace[]): DeviceError | null {
  if (!hasAnythingFailed()) return null
  for (const [window, mapping] of windows.entries()) {
    const failure = native.failureOf(mapping)
    if (failure <= 0) continue
    const device = deviceAt(devices, window)
    if (device === undefined) return describe(failure, 'memory', 'file', window * windowBytes)
    return describe(failure, device.path, device.kind, placeOf(device, window))
  }
  return null
}

/** @param offsetBytes where on the device the mapping begins */
function describe(failure: number, path: string, kind: DeviceKind, offsetBytes: number): DeviceError {
  const errno = Math.floor(failure / 2 ** 32)
  if (errno === EHWPOISON) return badAt(path, offsetBytes + (failure % 2 ** 32))
  if (errno !== EFAULT) return deviceError(errno, `cannot write ${path}`)
  const at = offsetBytes + (failure % 2 ** 32)
  return new DeviceError('EIO', `cannot access ${path} at byte ${at}: ${causes[kind]} (SIGBUS)`)
}

/** What ends in SIGBUS where no page is bad. */
const causes: Readonly<Record<DeviceKind, string>> = {
  file: 'its disk is full, or it was cut short',
  block: 'its disk is full, or it was cut short',
  devdax: 'its namespace was disabled, or its driver has let go of it',
}
