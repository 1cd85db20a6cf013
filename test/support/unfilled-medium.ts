// SPDX-License-Identifier: GPL-2.0-only
/**
 * A new volume of several GiB that takes little memory: what files hold is not stored, and the pages of blocks that
 * nobody stores to do not come into being. For counting, on volumes on which no block is taken twice.
 */
import { blockBytes, windowBlocks } from '../../layout/geometry.js'
import { RecordingMedium } from './recording-medium.js'
import { TestVolume, formatSmall } from './test-volume.js'

class UnfilledMedium extends RecordingMedium {
  override copyIn(): void {
    // Nobody reads it.
  }

  override zero(): void {
    // It is zeros.
  }
}

/** @param windows devices of 1 GiB each */
export function makeUnfilled(windows: number): TestVolume {
  const devices = Array.from({ length: windows }, () => windowBlocks)
  const medium = new UnfilledMedium(devices.map((blocks) => new Uint8Array(blocks * blockBytes)))
  formatSmall(medium, devices)
  return TestVolume.open(medium)
}
