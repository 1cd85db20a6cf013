// SPDX-License-Identifier: GPL-2.0-only
/**
 * The medium of test volumes. It is plain memory for one device (device-count.ts), unless a test file has another
 * medium or another number of devices put in its place, to run tests of other files on that; of their cases it then
 * tries a part.
 */
import { blockBytes } from '../../layout/geometry.js'
import { type DeviceCount, deviceBlocksFor, devicesBySeed, usualDevices } from './device-count.js'
import { isExhaustive, sampleOf } from './extent.js'
import { Random, seed } from './random.js'
import { RecordingMedium } from './recording-medium.js'

type Holding = (windows: readonly Uint8Array[]) => RecordingMedium

/** One in so many. */
const shareOfVolumes = 4

let make: Holding = (windows) => new RecordingMedium(windows)
let tried = 1
let countFor: (random: Random) => DeviceCount = () => usualDevices
const random = new Random(seed)

/** @param share one in so many cases is tried, unless all are */
export function useMedium(holding: Holding, share: number): void {
  make = holding
  tried = share
}

/** @param count decides for each volume that does not say how many devices it has */
export function useDevices(count: (random: Random) => DeviceCount): void {
  countFor = count
}

/** Has some of these volumes lie on two devices, which takes longer: more is mounted, again and again. */
export function useDevicesBySeed(): void {
  useDevices((random) => devicesBySeed(random, shareOfVolumes))
}

/** Blocks of the devices to be used for a volume of such. */
export function devicesFor(deviceBlocks: readonly number[]): readonly number[] {
  const [blocks] = deviceBlocks
  return deviceBlocks.length === 1 ? deviceBlocksFor(blocks!, countFor(random)) : deviceBlocks
}

/** A medium with these contents. */
export function mediumHolding(windows: readonly Uint8Array[]): RecordingMedium {
  return make(windows)
}

/** A medium of zeros: devices of so many blocks (2¹⁸ at the most each), end to end. */
export function mediumOf(deviceBlocks: readonly number[]): RecordingMedium {
  return make(deviceBlocks.map((blocks) => new Uint8Array(blocks * blockBytes)))
}

/** Whether test volumes lie in plain memory, where cases take the least time. */
export function isPlainMemory(): boolean {
  return tried === 1
}

/** Of the cases of a test, those to be tried on the medium in use. */
export function casesFor<T>(cases: readonly T[]): readonly T[] {
  return tried === 1 ? cases : sampleOf(cases, tried)
}

/** Whether the next of a test's many cases is to be tried on the medium in use. */
export function isTried(): boolean {
  return tried === 1 || isExhaustive || random.below(tried) === 0
}
