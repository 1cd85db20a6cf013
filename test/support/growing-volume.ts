// SPDX-License-Identifier: GPL-2.0-only
/** Volumes that are to grow, by what a device of theirs has gained, or by further devices, or by both. */
import { superblock as layout } from '../../layout/superblock.js'
import { checkVolume } from '../../src/check/check-volume.js'
import { Report } from '../../src/check/report.js'
import { type Gain, growVolume } from '../../src/fs/grow.js'
import { readSuperblock } from '../../src/fs/superblock-copies.js'
import type { EngineCaller } from './engine-caller.js'
import { problemsOf } from './invariants.js'
import { mediumHolding } from './medium-in-use.js'
import { RecordingMedium } from './recording-medium.js'
import { TestVolume, epoch, formatSmall, root } from './test-volume.js'

export const oldBlocks = 512
export const gainedBlocks = 300
export const contents = Buffer.alloc(100_000, 'what was there before')

export const gained: Gain = { device: 0, deviceBlock: oldBlocks, blocks: gainedBlocks, identifier: null }
export const further: Gain = {
  device: 1,
  deviceBlock: 0,
  blocks: gainedBlocks,
  identifier: new Uint8Array(16).fill(9),
}
export const cases: readonly (readonly [name: string, gains: readonly Gain[]])[] = [
  ['both', [gained, further]],
  ['a device that has grown', [gained]],
  ['a further device', [further]],
]

export interface Growth {
  readonly name: string
  /** Blocks of the devices that the volume has. */
  readonly own: readonly number[]
  readonly gains: readonly Gain[]
}

/** The same and others, of volumes of one device and of two. */
export const growths: readonly Growth[] = [1, 2].flatMap((count) => {
  const own = Array.from({ length: count }, () => oldBlocks)
  const more = { ...gained, device: count - 1 }
  const next = { ...further, device: count }
  const last = { ...further, device: count + 1, identifier: new Uint8Array(16).fill(10) }
  const all: Record<string, readonly Gain[]> = {
    both: [more, next],
    'a device that has grown': [more],
    'a further device': [next],
    'two further devices': [next, last],
  }
  return Object.entries(all).map(([name, gains]) => ({ name: `${name}, beside ${count}`, own, gains }))
})

/** A volume with a file, and behind it the windows of what it will gain, which hold what they like. */
export function mediumFor(gains: readonly Gain[], own: readonly number[] = [oldBlocks]): RecordingMedium {
  const { bytes } = RecordingMedium.ofDevices([...own, ...gains.map(({ blocks }) => blocks)])
  for (const window of bytes.slice(own.length)) window.fill(0xa5)
  const medium = mediumHolding(bytes)
  formatSmall(medium, own)
  const volume = TestVolume.open(medium)
  const file = volume.caller.file(root, 'file')
  volume.caller.write(file, 0, contents)
  volume.close()
  return medium
}

export function segmentsOf(medium: RecordingMedium): number {
  return readSuperblock(medium).superblock.get(layout.word.segmentCount)
}

export function grow(medium: RecordingMedium, gains: readonly Gain[]): void {
  growVolume(medium, readSuperblock(medium).superblock, gains, epoch)
}

/** What fsck says, and what holds of any volume. */
export function problems(medium: RecordingMedium): string[] {
  const report = new Report()
  checkVolume(medium, readSuperblock(medium).superblock, report)
  return [...report.lines(), ...readSuperblock(medium).damage, ...problemsOf(medium)]
}

export function readAll(caller: EngineCaller): unknown {
  return caller.read(caller.lookup(root, 'file'), 0, contents.length)
}
