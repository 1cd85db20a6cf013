// SPDX-License-Identifier: GPL-2.0-only
/** The facts of a volume, as data and as lines for people. */
import { blockBytes } from '../../layout/geometry.js'
import { superblock as layout } from '../../layout/superblock.js'
import { shownText } from '../check/name-text.js'
import type { MountEntry } from '../daemon/mount-table.js'
import { cutListNotices } from '../fs/bad-metadata.js'
import { damageRecord } from '../fs/damage-record.js'
import { type Superblock, isClean } from '../fs/superblock.js'
import type { SuperblockReading } from '../fs/superblock-copies.js'
import { identifierText } from '../fs/device-header.js'
import { totalBlocks } from '../fs/geometry.js'
import { blocksOfDevice } from '../fs/segments.js'
import { type BlockRun, mergeRuns } from '../pmem/bad-blocks.js'
import type { Device } from '../pmem/device.js'
import type { DeviceSet } from '../pmem/device-set.js'
import { type Gathering, summaryOf } from '../pmem/persistence-domain.js'
import { formatSize } from './size.js'
import type { Row } from './output.js'
import type { PathState } from './served-device.js'

const at = layout.word

interface Persistence {
  readonly domain: string
  readonly volatile: boolean
  readonly direct: boolean
  /** What below the device drops flushes, so that a power failure may lose what was acknowledged; null for nothing. */
  readonly flushesDropped: string | null
  /** What below the device PMFS2 cannot see into, so that nobody knows what a power failure loses; null for nothing. */
  readonly unseen: string | null
  /** What the device is, and what a loss of power takes away. */
  readonly summary: string
  readonly advice: string | null
}

export interface SegmentInfo {
  readonly firstBlock: number
  readonly deviceBlock: number
  readonly blocks: number
}

export interface DeviceInfo {
  readonly path: string
  /**
   * Of a mounted one: whether its path leads to it still; `stale`: to another file, or to none. `deleted`: it is a file
   * without any name, and goes with the mount. Null where that is not known.
   */
  readonly pathState: PathState
  readonly kind: string
  readonly identifier: string
  /** Where it begins among the blocks of the volume. */
  readonly firstBlock: number
  /** All that the volume has of it. */
  readonly blocks: number
  /** The runs of its blocks: more than one where the volume has grown with it. */
  readonly segments: readonly SegmentInfo[]
  /** Null where it is not known, or the machine has one node only. */
  readonly numaNode: number | null
  /** Blocks of the device that the kernel or the server knows to be bad. */
  readonly badBlocks: number
  /** Whether the kernel may know of more than it lists. */
  readonly isBadListCut: boolean
  readonly persistence: Persistence
}

export interface VolumeInfo {
  /** The first one, after which the volume is named. */
  readonly device: string
  readonly deviceKind: string
  readonly mountpoint: string | null
  readonly label: string
  readonly uuid: string
  readonly version: number
  readonly features: { readonly compat: number; readonly readOnlyCompat: number; readonly incompat: number }
  /** `dirty`: mounted, or not unmounted in order. */
  readonly state: 'clean' | 'dirty'
  readonly sizeBytes: number
  readonly blockBytes: number
  readonly blocks: number
  readonly lanes: number
  /** ISO 8601 */
  readonly created: string
  /** When it was last mounted for writing. */
  readonly mounted: string | null
  readonly mountCount: number
  readonly devices: readonly DeviceInfo[]
  /** Of the first device. */
  readonly persistence: Persistence
  readonly damage: readonly string[]
  /** Damage that calls have met, ever: times are ISO 8601. */
  readonly damageRecord: {
    readonly count: number
    readonly first: { readonly time: string; readonly what: string }
    readonly last: { readonly time: string; readonly what: string }
  } | null
}

/** What is known of whoever uses a volume. */
export interface InUse {
  /** Null where it is none of which the mount table tells. */
  readonly mount: MountEntry | null
  readonly gathers: Gathering
  /** Of the devices, which may be reached by other paths. */
  readonly names: readonly string[]
  /** Where these lead. */
  readonly states: readonly PathState[]
  /** Bad blocks of each device; the kernel does not list all. */
  readonly badBlocks: readonly (readonly BlockRun[])[]
}

/** @param use null where nobody is known to use it */
export function describeVolume(
  { devices: opened }: DeviceSet,
  { superblock, damage }: SuperblockReading,
  use: InUse | null,
): VolumeInfo {
  const isKnown = use?.names.length === opened.length
  const gathers = use === null ? false : use.gathers
  const { laneCount } = superblock.geometry
  const blocks = totalBlocks(superblock)
  const devices = opened.map((device, n) => {
    const [name, met] = isKnown ? [use.names[n]!, use.badBlocks[n] ?? []] : [device.path, []]
    const described = describeDevice(device, superblock, n, met, gathers)
    return { path: name, pathState: isKnown ? (use.states[n] ?? null) : null, ...described }
  })
  const [{ path, kind, persistence }] = devices as [DeviceInfo]
  const mountedSeconds = superblock.getNumber(at.mountedSeconds)
  return {
    device: path,
    deviceKind: kind,
    mountpoint: use?.mount?.mountpoint ?? null,
    label: superblock.label,
    uuid: superblock.uuid,
    version: superblock.get(at.version),
    features: {
      compat: superblock.get(at.compat),
      readOnlyCompat: superblock.get(at.readOnlyCompat),
      incompat: superblock.get(at.incompat),
    },
    state: isClean(superblock) ? 'clean' : 'dirty',
    sizeBytes: blocks * blockBytes,
    blockBytes,
    blocks,
    lanes: laneCount,
    created: isoTime(superblock.getNumber(at.createdSeconds)),
    mounted: mountedSeconds === 0 ? null : isoTime(mountedSeconds),
    mountCount: superblock.get(at.mountCount),
    devices,
    persistence,
    damage,
    damageRecord: recordOf(superblock),
  }
}

function recordOf(superblock: Superblock): VolumeInfo['damageRecord'] {
  const record = damageRecord(superblock)
  if (record === null) return null
  const { count, first, last } = record
  return {
    count,
    first: { time: isoTime(first.seconds), what: first.what },
    last: { time: isoTime(last.seconds), what: last.what },
  }
}

function isoTime(seconds: number): string {
  const time = new Date(seconds * 1000)
  return Number.isNaN(time.getTime()) ? `${seconds} s after 1970` : time.toISOString().replace('.000', '')
}

function describeDevice(
  { badBlocks, isBadListCut, kind, domain, numaNode }: Device,
  superblock: Superblock,
  n: number,
  met: readonly BlockRun[],
  gathers: Gathering,
): Omit<DeviceInfo, 'path' | 'pathState'> {
  const segments = superblock.segments
    .filter(({ device }) => device === n)
    .map(({ first, deviceBlock, blocks }) => ({ firstBlock: first, deviceBlock, blocks }))
  return {
    kind,
    identifier: identifierText(superblock, n),
    firstBlock: segments[0]!.firstBlock,
    blocks: blocksOfDevice(superblock, n),
    segments,
    numaNode,
    badBlocks: mergeRuns([...badBlocks, ...met]).reduce((sum, { count }) => sum + count, 0),
    isBadListCut,
    persistence: {
      domain: domain.name,
      volatile: domain.volatile,
      direct: domain.isDirect,
      flushesDropped: domain.flushesDropped,
      unseen: domain.unseen,
      summary: summaryOf(domain, gathers),
      advice: domain.advice,
    },
  }
}

/** Names and values for people. */
export function volumeRows(volume: VolumeInfo): Row[] {
  const { features, devices, persistence } = volume
  const rows: Row[] = [
    ['label', labelText(volume.label)],
    ['UUID', volume.uuid],
    ['size', `${formatSize(volume.sizeBytes)}, ${volume.blocks} blocks of ${formatSize(volume.blockBytes)}`],
    ['state', stateText(volume)],
    ['created', volume.created],
    ['mounted', mountedText(volume)],
    ['format', `version ${volume.version}, features ${featureText(features)}`],
    ['lanes', `${volume.lanes}`],
  ]
  const [{ path, pathState }] = devices as [DeviceInfo]
  const name = pathState === 'stale' || pathState === 'deleted' ? `${nameText(path, pathState)}: ` : ''
  if (devices.length === 1) rows.push(['device', name + persistence.summary])
  else rows.push(...devices.map(deviceRow))
  return rows
}

/** One of several devices. */
function deviceRow({ path, pathState, blocks, numaNode, persistence }: DeviceInfo, n: number): Row {
  const node = numaNode === null ? [] : [`NUMA node ${numaNode}`]
  const facts = [nameText(path, pathState), formatSize(blocks * blockBytes), ...node, persistence.summary]
  return [n === 0 ? 'devices' : '', `${n + 1}: ${facts.join(', ')}`]
}

function nameText(path: string, state: PathState): string {
  if (state === 'stale') return `${path} (moved, removed or covered: this name no longer leads to it)`
  return state === 'deleted' ? `${path} (deleted: it goes with the mount)` : path
}

/** A volume may be a stranger's, and a terminal must not obey it. */
export function labelText(label: string): string {
  return label === '' ? '(none)' : shownText(label)
}

/** What one should know. */
export function remarkRows({ devices, damage, damageRecord }: VolumeInfo): Row[] {
  const rows: Row[] = damage.map((text) => ['damage', `${text}; fsck tells more`])
  if (damageRecord !== null) {
    const { count, first, last } = damageRecord
    rows.push(['damage met', `${count} ${count === 1 ? 'time' : 'times'} so far; fsck tells more`])
    rows.push(['  first', `${first.time}, ${first.what}`])
    rows.push(['  last', `${last.time}, ${last.what}`])
  }
  for (const { path, badBlocks } of devices)
    if (badBlocks > 0)
      rows.push(['bad blocks', `${badBlocks} on ${path}; fsck and the system log tell which files have them`])
  for (const text of cutListNotices(devices)) rows.push(['bad blocks', text])
  for (const { persistence } of devices)
    if (persistence.advice !== null) rows.push(['note', persistence.advice])
  return rows
}

function mountedText({ mounted, mountCount }: VolumeInfo): string {
  if (mounted === null) return 'never'
  return `${mounted}, ${mountCount === 1 ? 'the first time' : `${mountCount} times so far`}`
}

function stateText({ state, mountpoint }: VolumeInfo): string {
  if (mountpoint !== null) return `mounted on ${mountpoint}`
  return state === 'clean' ? 'clean' : 'dirty: in use, or not unmounted in order (the next mount recovers it)'
}

function featureText({ compat, readOnlyCompat, incompat }: VolumeInfo['features']): string {
  const parts = [
    ['compat', compat],
    ['ro-compat', readOnlyCompat],
    ['incompat', incompat],
  ] as const
  const set = parts.filter(([, bits]) => bits !== 0).map(([name, bits]) => `${name} 0x${bits.toString(16)}`)
  return set.length === 0 ? '(none)' : set.join(', ')
}
