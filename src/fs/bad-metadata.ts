// SPDX-License-Identifier: GPL-2.0-only
/**
 * Bad blocks where a volume has something that it cannot do without. The log and the roots are needed whatever is
 * served, and the headers, the superblocks and the bitmap as soon as anything changes. Bad blocks elsewhere concern who
 * needs what lies there.
 */
import { blockBytes, headerBlock, laneBlocks, rootsBlock } from '../../layout/geometry.js'
import { shellWord } from '../native/shell-word.js'
import { BadBlockError, badBlockText, nameless } from '../pmem/bad-block-error.js'
import { type BlockRun, mergeRuns } from '../pmem/bad-blocks.js'
import type { Medium } from '../pmem/medium.js'
import type { Clearing } from '../pmem/clearing.js'
import type { BadBlocks } from './bad-blocks.js'
import { counted } from './counted.js'
import { DataArea } from './data-area.js'
import { type Geometry, bitmapBlocksFor, byteOfBlock } from './geometry.js'
import { deviceSegments } from './segments.js'
import type { Superblock } from './superblock.js'
import { copyName } from './superblock-copies.js'
import { VolumeError } from './volume-error.js'

/** Runs that a volume is opened with, at the most: a device with more is to be replaced. */
export const mostBadRuns = 512
const mostNamed = 8

export interface Area extends BlockRun {
  readonly what: string
  /** Not even a volume that is served read-only does without it. */
  readonly isVital: boolean
  /** A mount that may write makes it anew where it is damaged. */
  readonly isRenewed?: true
}

/** The fixed areas of a volume, for messages and for looks at all of them. */
export function areasOf(superblock: Superblock): Area[] {
  const { laneStart, laneCount, segments } = superblock.geometry
  const vital = (first: number, count: number, what: string): Area => ({ first, count, what, isVital: true })
  const renewed = (first: number, what: string): Area => {
    return { first, count: 1, what, isVital: false, isRenewed: true }
  }
  return [
    ...deviceSegments(superblock).map(({ first }) => renewed(first + headerBlock, 'the header of a device')),
    vital(rootsBlock, 1, 'the roots of the file system'),
    vital(laneStart, laneCount * laneBlocks, 'the undo log'),
    ...superblock.copyBlocks.map((first, n) => renewed(first, `the ${copyName(n).replace(/,$/, '')}`)),
    ...segments.map(({ bitmapStart, blocks }) => ({
      first: bitmapStart,
      count: bitmapBlocksFor(blocks),
      what: 'the block bitmap',
      isVital: false,
    })),
  ]
}

/** What devices are called, and how their errors are cleared. */
export type DeviceNames = Pick<Medium, 'pathAt' | 'clearingAt'>

interface BadArea {
  readonly block: number
  readonly area: Area
}

/** The first bad block without which nothing can be served, or nothing can be changed; or null. */
function badAreaOf(superblock: Superblock, runs: readonly BlockRun[], readOnly: boolean): BadArea | null {
  for (const area of areasOf(superblock)) {
    if (readOnly && !area.isVital) continue
    const block = firstBadIn(runs, area)
    if (block !== null) return { block, area }
  }
  return null
}

function firstBadIn(runs: readonly BlockRun[], { first, count }: BlockRun): number | null {
  const run = runs.find((run) => run.first < first + count && run.first + run.count > first)
  return run === undefined ? null : Math.max(run.first, first)
}

/** A bad block, for people. @param medium null where no device has a name */
export function badBlockName(
  geometry: Pick<Geometry, 'segments'>,
  block: number,
  medium: Pick<Medium, 'pathAt'> | null,
): string {
  return badBlockText(block, medium?.pathAt(block) ?? null, byteOfBlock(geometry, block))
}

/** A VolumeError with the bad blocks that were met before it, as they may have led to it; any other error as it is. */
export function withBadBlocks(
  error: unknown,
  runs: readonly BlockRun[],
  medium: Pick<Medium, 'pathAt'>,
): unknown {
  if (!(error instanceof VolumeError) || error.code === 'bad-block' || runs.length === 0) return error
  const names = runs.slice(0, mostNamed).map(({ first }) => badBlockName({ segments: [] }, first, medium))
  const more = runs.length > mostNamed ? '; and others' : ''
  return new VolumeError('bad-block', `${error.message} (${names.join('; ')}${more})`)
}

export function tooManyBadRuns(): VolumeError {
  return new VolumeError(
    'bad-block',
    `it has bad blocks in more than ${mostBadRuns} places: replace the device`,
  )
}

/** A device, and whether the kernel lists only a part of its bad blocks. */
interface ListedDevice {
  readonly path: string
  readonly isBadListCut: boolean
}

function cutListText({ path }: ListedDevice): string {
  return `${path} has bad blocks in more places than the kernel lists: replace the device`
}

/**
 * Refuses devices with more bad blocks than can be known: nothing is to be stored on them.
 * @throws VolumeError
 */
export function refuseCutLists(devices: readonly ListedDevice[]): void {
  for (const device of devices)
    if (device.isBadListCut) throw new VolumeError('bad-block', cutListText(device))
}

/** The same as lines for people, where nothing is stored. */
export function cutListNotices(devices: readonly ListedDevice[]): string[] {
  return devices.filter(({ isBadListCut }) => isBadListCut).map(cutListText)
}

/** @throws VolumeError where a volume with these bad blocks cannot be served so */
export function refuseBadMetadata(
  superblock: Superblock,
  runs: readonly BlockRun[],
  medium: DeviceNames,
  readOnly: boolean,
): void {
  if (runs.length > mostBadRuns) throw tooManyBadRuns()
  const bad = badAreaOf(superblock, runs, readOnly)
  if (bad === null) return
  const { area, block } = bad
  const name = badBlockName(superblock.geometry, block, medium)
  // What is bad beside the area stays known as such: another area need not stand being cleared, nor do files.
  const cleared = common(block, mergeRuns(runs), [area], wholeSegments(superblock))
  const advice = adviceOn(area, howToClear(superblock, medium, cleared))
  throw new VolumeError('bad-block', `${name}, and holds ${area.what}; ${advice}`)
}

function adviceOn({ isVital, isRenewed }: Area, how: string): string {
  if (isVital)
    return `it cannot be mounted before the error is cleared (${how}); check it with fsck then, and restore what is damaged from a backup`
  if (isRenewed === true)
    return `it can only be mounted read-only (-o ro) before the error is cleared (${how}); the next mount for writing then makes it anew`
  return 'it can only be mounted read-only (-o ro): copy its files elsewhere'
}

/** The run around a block that all of these lists have. @param lists in rising order, each with that block */
function common(block: number, ...lists: readonly (readonly BlockRun[])[]): BlockRun {
  const around = lists.map((runs) => runs.findLast(({ first }) => first <= block)!)
  const first = Math.max(...around.map(({ first }) => first))
  const end = Math.min(...around.map(({ first, count }) => first + count))
  return { first, count: end - first }
}

/** Blocks that follow each other on a device do so in a segment. */
function wholeSegments({ segments }: Superblock): BlockRun[] {
  return segments.map(({ first, blocks }) => ({ first, count: blocks }))
}

/** @param run on one device */
function howToClear({ geometry }: Superblock, medium: DeviceNames, { first, count }: BlockRun): string {
  const clearing = medium.clearingAt(first)
  if (typeof clearing === 'object')
    return clearing.namespaces.map((name) => `ndctl clear-errors ${name}`).join(' && ')
  if (clearing === 'write') return 'most disks do that when the block is overwritten'
  const options = `--offset ${byteOfBlock(geometry, first)} --length ${count * blockBytes}`
  const path = medium.pathAt(first)
  return `fallocate --punch-hole ${options} ${path === null ? nameless : shellWord(path)}`
}

/**
 * The same of what is to be written by mkfs or grow: no block of its fixed areas may be bad, and no more places than a
 * volume is opened with.
 * @param added segments from this one on are new
 * @param tableBlocks of the data areas, from the first of them on, that are written as well
 * @throws VolumeError
 */
export function refuseBadPlaces(
  superblock: Superblock,
  runs: readonly BlockRun[],
  medium: DeviceNames,
  { added = 0, tableBlocks = 0 }: { readonly added?: number; readonly tableBlocks?: number },
): void {
  if (runs.length > mostBadRuns) throw tooManyBadRuns()
  const { geometry, segments } = superblock
  const start = segments[added]?.first ?? geometry.blockCount
  const areas: BlockRun[] = [
    ...areasOf(superblock),
    { first: geometry.dataStart, count: tableBlocks },
  ].filter(({ first }) => first >= start)
  for (const area of areas) {
    const block = firstBadIn(runs, area)
    if (block === null) continue
    const name = badBlockName(geometry, block, medium)
    const how = howToClear(superblock, medium, common(block, mergeRuns(runs), wholeSegments(superblock)))
    throw new VolumeError(
      'bad-block',
      `${name}, and the file system would need it: clear the error first (${how}), or leave the device out`,
    )
  }
}

/** The devices of a volume before they are mapped. */
export function namesOf(
  { segments }: Superblock,
  devices: readonly { readonly path: string; readonly clearing: Clearing }[],
): DeviceNames {
  const at = (block: number) => devices[segments.findLast(({ first }) => first <= block)?.device ?? 0]
  return {
    pathAt: (block) => at(block)?.path ?? null,
    clearingAt: (block) => at(block)?.clearing ?? 'write',
  }
}

/** Has the medium note bad blocks that are found from now on, as long as the rest can be served without them. */
export function listenForBadBlocks(
  medium: Medium,
  bad: BadBlocks,
  geometry: Geometry,
  readOnly: boolean,
): void {
  const area = new DataArea(geometry)
  const { laneStart, laneCount } = geometry
  medium.onBadBlock = (block, isLoaded) => {
    const isOfLog = block >= laneStart && block < laneStart + laneCount * laneBlocks
    const canDoWithout = area.holdsRun(block, 1) || (readOnly && block !== rootsBlock && !isOfLog)
    if (!canDoWithout) return false
    const outcome = bad.add(block)
    if (outcome === 'added') {
      const path = medium.pathAt(block)
      medium.unreported.push(new BadBlockError(block, path, byteOfBlock(geometry, block), isLoaded))
    }
    return outcome !== 'full'
  }
}

/** A line about the bad blocks of a volume for each device that has any. */
export function badBlockNotices(
  runs: readonly BlockRun[],
  medium: Pick<Medium, 'pathAt'>,
  consequence = 'files that have them give EIO there, and fsck names these',
): string[] {
  const ofPath = new Map<string, BlockRun[]>()
  for (const run of runs) {
    const path = medium.pathAt(run.first) ?? nameless
    ofPath.set(path, [...(ofPath.get(path) ?? []), run])
  }
  return [...ofPath].map(([path, list]) => {
    const count = list.reduce((sum, run) => sum + run.count, 0)
    return `${counted(count, 'bad block')} on ${path} (${runsText(list)}): ${consequence}`
  })
}

function runsText(runs: readonly BlockRun[]): string {
  const named = runs
    .slice(0, mostNamed)
    .map(({ first, count }) => (count === 1 ? `${first}` : `${first} to ${first + count - 1}`))
  return runs.length > mostNamed ? `${named.join(', ')} and others` : named.join(', ')
}
