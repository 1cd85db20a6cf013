// SPDX-License-Identifier: GPL-2.0-only
/**
 * The medium of test volumes. It is one device in plain memory, unless a test file has another medium or several
 * devices put in its place, to run tests of other files on that; of their cases it then tries a part.
 */
import { blockBytes, smallestVolumeBlocks } from '../../layout/geometry.js'
import type { Geometry } from '../../src/fs/geometry.js'
import { isExhaustive, sampleOf } from './extent.js'
import { Random, seed } from './random.js'
import { RecordingMedium } from './recording-medium.js'

type Holding = (windows: readonly Uint8Array[]) => RecordingMedium

let make: Holding = (windows) => new RecordingMedium(windows)
let tried = 1
let areSeveral = false
const random = new Random(seed)

/** @param share one in so many cases is tried, unless all are */
export function useMedium(holding: Holding, share: number): void {
  make = holding
  tried = share
}

/**
 * Has volumes that would lie on one device lie on two: all but what is fixed comes to lie on the second one, so calls
 * change both. @param share as of {@link useMedium}
 */
export function useTwoDevices(share: number): void {
  areSeveral = true
  tried = share
}

/** Blocks of the devices to be used for a volume of such. */
export function devicesFor(deviceBlocks: readonly number[]): readonly number[] {
  const [blocks] = deviceBlocks
  return areSeveral && deviceBlocks.length === 1 ? [smallestVolumeBlocks, blocks!] : deviceBlocks
}

/** The segments in which the engine of a volume looks for free blocks first. */
export function firstSegments({ segments }: Geometry): number[] {
  return areSeveral ? [segments.length - 1] : []
}

/** A medium with these contents. */
export function mediumHolding(windows: readonly Uint8Array[]): RecordingMedium {
  return make(windows)
}

/** A medium of zeros: devices of so many blocks (2¹⁸ at the most each), end to end. */
export function mediumOf(deviceBlocks: readonly number[]): RecordingMedium {
  return make(deviceBlocks.map((blocks) => new Uint8Array(blocks * blockBytes)))
}

/** Of the cases of a test, those to be tried on the medium in use. */
export function casesFor<T>(cases: readonly T[]): readonly T[] {
  return tried === 1 ? cases : sampleOf(cases, tried)
}

/** Whether the next of a test's many cases is to be tried on the medium in use. */
export function isTried(): boolean {
  return tried === 1 || isExhaustive || random.below(tried) === 0
}
