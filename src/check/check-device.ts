// SPDX-License-Identifier: GPL-2.0-only
/**
 * fsck of devices, as the command line wants it. Nothing is written: where transactions are in flight, they are undone
 * on a private copy-on-write view, and that is what is checked, since it is what the next mount will see.
 */
import { cutListNotices } from '../fs/bad-metadata.js'
import type { BadBlocks } from '../fs/bad-blocks.js'
import { counted } from '../fs/counted.js'
import type { Geometry } from '../fs/geometry.js'
import { recover } from '../fs/recovery.js'
import { readSuperblock } from '../fs/superblock-copies.js'
import type { DeviceSet } from '../pmem/device-set.js'
import type { MappedMedium } from '../pmem/mapped-medium.js'
import { type CheckProgress, type CheckResult, checkVolume } from './check-volume.js'
import { checkFixedAreas } from './bad-check.js'
import { checkLanes } from './lane-check.js'
import { Report } from './report.js'
import { VolumeView, bytesOf } from './volume-view.js'
import { messageOf, withDevices, withMedium } from './with-devices.js'

/** Exit codes of fsck(8) and e2fsck(8). */
export const exitClean = 0
export const exitErrorsLeft = 4
export const exitOperational = 8

export interface DeviceCheck {
  /** A line for each problem, or for what kept the check from being made. */
  readonly problems: readonly string[]
  /** What is no problem, but worth a line. */
  readonly notes: readonly string[]
  /** One line of counts; null where there was no check. */
  readonly summary: string | null
  readonly result: CheckResult | null
  /** What kept the check from being made. */
  readonly cause: unknown
  readonly exitCode: typeof exitClean | typeof exitErrorsLeft | typeof exitOperational
}

export interface DeviceCheckOptions {
  readonly mostPerKind?: number
  readonly progress?: CheckProgress
}

/** Checks the volume on these devices: some of its own, or all in any order. Nobody else may use them. */
export function checkDevices(named: readonly string[], options: DeviceCheckOptions = {}): DeviceCheck {
  try {
    const access = { access: 'read-only', exclusive: true } as const
    return withDevices(named, access, (devices) => checkOpened(devices, options))
  } catch (error) {
    const message = messageOf(error, named)
    if (message === null) throw error
    return failure(message, error)
  }
}

function checkOpened(devices: DeviceSet, options: DeviceCheckOptions): DeviceCheck {
  const { path } = devices.first
  const cut = cutListNotices(devices.devices)
  const inFlight = withMedium(devices, 'read-only', (medium, bad) => lookIntoLanes(medium, bad))
  if (inFlight === 0)
    return withMedium(devices, 'read-only', (medium, bad) => check(medium, bad, path, options, cut))
  if (inFlight < 0) {
    return withMedium(devices, 'read-only', (medium, bad) =>
      check(medium, bad, path, options, [
        ...cut,
        'the undo log is damaged, so nothing of it was undone before this check',
      ]),
    )
  }
  const dax = devices.devices.find((device) => device.kind === 'devdax')
  if (dax !== undefined) {
    return failure(
      `${dax.path}: ${transactions(inFlight)} in flight, and devdax gives no private copy to undo them on: ` +
        'mount it once, which undoes them, unmount it and check again',
    )
  }
  return withMedium(devices, 'copy-on-write', (medium, bad) => {
    recover(medium, geometryOf(medium), false, bad)
    const note = `${transactions(inFlight)} in flight: checked is what is left when the next mount has undone ${inFlight === 1 ? 'it' : 'them'}`
    return check(medium, bad, path, options, [...cut, note])
  })
}

/** @returns how many transactions are in flight, -1 where the log is damaged */
function lookIntoLanes(medium: MappedMedium, bad: BadBlocks): number {
  const { superblock } = readSuperblock(medium)
  medium.noteBadBlocks()
  const view = new VolumeView(medium, superblock, bad)
  // What there is then to tell, the check tells.
  if (view.geometryProblems().length > 0 || !checkFixedAreas(view, new Report())) return 0
  const report = new Report()
  const inFlight = checkLanes(view, report)
  return report.total > 0 ? -1 : inFlight
}

function geometryOf(medium: MappedMedium): Geometry {
  return readSuperblock(medium).superblock.geometry
}

function check(
  medium: MappedMedium,
  bad: BadBlocks,
  path: string,
  options: DeviceCheckOptions,
  notes: readonly string[],
): DeviceCheck {
  const report = new Report(options.mostPerKind)
  const { superblock } = readSuperblock(medium)
  medium.noteBadBlocks()
  const result = checkVolume(medium, superblock, report, options.progress, bad)
  return {
    problems: report.lines(),
    notes: [...notes, ...report.notes],
    summary: `${path}: ${summarize(result, report.total)}`,
    result,
    cause: null,
    exitCode: report.total === 0 ? exitClean : exitErrorsLeft,
  }
}

function summarize(result: CheckResult, problems: number): string {
  const { usedInodes, inodes, files, directories, symbolicLinks, specialFiles, usedBlocks, blocks } = result
  const kinds = [
    counted(files, 'file'),
    counted(directories, 'directory', 'directories'),
    counted(symbolicLinks, 'symbolic link'),
    counted(specialFiles, 'special file'),
  ].join(', ')
  const space = `${usedBlocks}/${blocks} blocks (${Math.round(bytesOf(usedBlocks) / 2 ** 20)} MiB)`
  const verdict = problems === 0 ? 'clean' : counted(problems, 'problem')
  return `${verdict}, ${usedInodes}/${inodes} inodes (${kinds}), ${space}`
}

function transactions(count: number): string {
  return count === 1 ? 'a transaction is' : `${count} transactions are`
}

function failure(message: string, cause: unknown = null): DeviceCheck {
  return { problems: [message], notes: [], summary: null, result: null, cause, exitCode: exitOperational }
}
