// SPDX-License-Identifier: GPL-2.0-only
/** What a server reports about itself, and how a client makes sure that it has received a report. */
import { blockBytes } from '../../layout/geometry.js'
import type { Volume } from '../fs/volume.js'
import type { BlockRun } from '../pmem/bad-blocks.js'
import type { GrowthReport } from './growth.js'
import type { ModeReport } from './serving-mode.js'

/** How full a volume is, as statfs(2) tells it. */
export interface Usage {
  readonly totalBytes: number
  readonly usedBytes: number
  readonly freeBytes: number
  readonly usedInodes: number
  readonly freeInodes: number
}

export function usageOf(volume: Volume): Usage {
  const { blocks, freeBlocks, usedInodes, freeInodes } = volume.usage()
  return {
    totalBytes: blocks * blockBytes,
    usedBytes: (blocks - freeBlocks) * blockBytes,
    freeBytes: freeBlocks * blockBytes,
    usedInodes,
    freeInodes,
  }
}

/** A device as the server has it open. */
export interface ServedPlace {
  /** As of identityOf. */
  readonly identity: string
  /** It is a file that has no name left. */
  readonly isDeleted: boolean
}

export interface DaemonReport {
  /** What the mount table shows. */
  readonly device: string
  /** All of the volume, in their order; none: of a server of before, which does not tell. */
  readonly devices: readonly string[]
  /** Which files they are, wherever their paths lead by now; none: of a server of before. */
  readonly places: readonly ServedPlace[]
  readonly mountpoint: string
  readonly channel: string
  /** How writes change blocks that a file has: `inplace` or `cow`. */
  readonly data: string
  /** What maps the devices: `native` or `mmap-io`. */
  readonly mapper: string
  /** The device is mapped directly (DAX). */
  readonly isDirect: boolean
  readonly workers: number
  readonly startedAt: string
  readonly mode: ModeReport
  /** Requests served, by the protocol's names. */
  readonly requests: Readonly<Record<string, number>>
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Null: of a server of before, which does not tell. */
  readonly usage: Usage | null
  /** What became of orders to grow that are still held out. */
  readonly growths: readonly GrowthReport[]
  /** Calls that met damage on the volume since it was mounted, and the first places where they did. */
  readonly damageMet: number
  readonly damagedPlaces: readonly string[]
  /** Blocks that are known to be bad by now, of each of the devices. */
  readonly badBlocks: readonly (readonly BlockRun[])[]
}

/** The same, as it was heard. */
export interface HeardReport extends DaemonReport {
  /** The server's number in the hearer's PID namespace, of which the kernel assures; null where it is not in that. */
  readonly pid: number | null
}

const texts = ['device', 'mountpoint', 'channel', 'data', 'mapper', 'startedAt'] as const
const counts = ['workers', 'bytesRead', 'bytesWritten', 'damageMet'] as const
const usageCounts = ['totalBytes', 'usedBytes', 'freeBytes', 'usedInodes', 'freeInodes'] as const
const grownCounts = ['before', 'after', 'unused'] as const
const modeFlags = ['readOnly', 'isChanging', 'directIo', 'writebackCache', 'xattrs', 'acls'] as const
const unsaidMode: ModeReport = {
  readOnly: false,
  isChanging: false,
  refusal: null,
  directIo: false,
  writebackCache: false,
  xattrs: true,
  acls: true,
  onErrors: 'continue',
}
/** What a server of before does not tell. */
const unsaid = {
  devices: [],
  places: [],
  damageMet: 0,
  damagedPlaces: [],
  badBlocks: [],
  usage: null,
  data: 'inplace',
  mapper: 'native',
  isDirect: true,
  mode: unsaidMode,
  growths: [],
} as const
const unsaidGrowth = { isUncertain: false } as const

/** @returns null where the text is no report */
export function parseReport(text: string): DaemonReport | null {
  const said = parseObject(text)
  if (said === null) return null
  const value: Record<string, unknown> = { ...unsaid, ...said }
  const { requests, usage, damagedPlaces, devices, places, growths, badBlocks } = value
  const isReport =
    texts.every((name) => typeof value[name] === 'string') &&
    counts.every((name) => isCount(value[name])) &&
    isMode(value['mode']) &&
    typeof value['isDirect'] === 'boolean' &&
    isObject(requests) &&
    Object.values(requests).every(isCount) &&
    (usage === null || (isObject(usage) && usageCounts.every((name) => isCount(usage[name])))) &&
    [damagedPlaces, devices].every(areTexts) &&
    Array.isArray(places) &&
    places.every(isPlace) &&
    Array.isArray(badBlocks) &&
    badBlocks.every(areRuns) &&
    Array.isArray(growths) &&
    growths.every(isGrowth)
  return isReport ? ({ ...value, growths: growths.map(wholeGrowth) } as unknown as DaemonReport) : null
}

function isMode(value: unknown): boolean {
  if (!isObject(value)) return false
  const flags = modeFlags.map((name) => value[name])
  const texts = [value['onErrors'], value['refusal'] ?? '']
  return flags.every((flag) => typeof flag === 'boolean') && texts.every((text) => typeof text === 'string')
}

function isPlace(value: unknown): boolean {
  return isObject(value) && typeof value['identity'] === 'string' && typeof value['isDeleted'] === 'boolean'
}

function isGrowth(value: unknown): boolean {
  if (!isObject(value)) return false
  const { order, refusal, isUncertain, grown } = wholeGrowth(value)
  const isGrown = grown === null || (isObject(grown) && grownCounts.every((name) => isCount(grown[name])))
  const isRefusal = typeof (refusal ?? '') === 'string' && typeof isUncertain === 'boolean'
  return typeof order === 'string' && isRefusal && isGrown
}

function wholeGrowth(said: object): Record<string, unknown> {
  return { ...unsaidGrowth, ...said }
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === 'string')
}

function areRuns(value: unknown): boolean {
  const isRun = (run: unknown): boolean => isObject(run) && isCount(run['first']) && isCount(run['count'])
  return Array.isArray(value) && value.every(isRun)
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && value >= 0
}
