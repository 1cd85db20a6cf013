// SPDX-License-Identifier: GPL-2.0-only
/** What the summaries of mkfs and grow say of the devices that a volume has got. */
import { badBlockNotices } from '../fs/bad-metadata.js'
import type { BlockRun } from '../pmem/bad-blocks.js'
import type { Device } from '../pmem/device.js'
import type { Medium } from '../pmem/medium.js'
import { summaryOf } from '../pmem/persistence-domain.js'
import { missingRoom } from './mkfs-room.js'
import { formatSize } from './size.js'

export type Row = readonly [title: string, text: string]

/**
 * What each is and what a loss of power takes away, and what its user should know.
 * @param areNamed whether each is shown by its path
 * @param badBlocks of the volume, all on these devices @param names of its devices
 * @param gathers of its mount, if there is one
 */
export function deviceRows(
  devices: readonly Device[],
  areNamed: boolean,
  badBlocks: readonly BlockRun[],
  names: Pick<Medium, 'pathAt'>,
  gathers = false,
): Row[] {
  const notes = [
    ...devices.flatMap(({ domain: { advice } }) => advice ?? []),
    ...devices.flatMap((device) => roomNotes(device)),
    ...badBlockNotices(badBlocks, names, 'not used'),
  ]
  return [
    ...devices.map(({ path, domain }, n): Row => {
      const summary = summaryOf(domain, gathers)
      return [n === 0 ? 'device' : '', areNamed ? `${path}: ${summary}` : summary]
    }),
    ...notes.map(noteRow),
  ]
}

/** What is said of a device that the volume has already, once it has `sizeBytes`. @param name as it is known */
export function grownRows({ kind, path }: Device, sizeBytes: number, name = path): Row[] {
  return roomNotes({ kind, path, sizeBytes }, name).map(noteRow)
}

function noteRow(note: string): Row {
  return ['note', note]
}

/** None where its disk has all that the device may come to need. */
function roomNotes(device: Pick<Device, 'kind' | 'path' | 'sizeBytes'>, name = device.path): string[] {
  const missing = missingRoom(device)
  if (missing === 0) return []
  const room = `the disk under ${name} lacks ${formatSize(missing)} of its size`
  return [`${room}: when that disk is full, the mount fails.`]
}
