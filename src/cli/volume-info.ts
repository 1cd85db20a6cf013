// SPDX-License-Identifier: GPL-2.0-only
/** The facts of a volume, as data and as lines for people. */
import { blockBytes } from '../../layout/geometry.js'
import { identifierBytes, stateClean, superblock as layout } from '../../layout/superblock.js'
import { shownText } from '../check/name-text.js'
import type { MountEntry } from '../daemon/mount-table.js'
import { damageRecord } from '../fs/damage-record.js'
import type { Superblock, SuperblockReading } from '../fs/superblock.js'
import type { Device } from '../pmem/device.js'
import { formatSize } from './size.js'
import type { Row } from './output.js'

const at = layout.word

export interface VolumeInfo {
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
  readonly devices: readonly {
    readonly identifier: string
    readonly firstBlock: number
    readonly blocks: number
  }[]
  readonly persistence: {
    readonly domain: string
    readonly volatile: boolean
    readonly direct: boolean
    /** What the device is, and what a loss of power takes away. */
    readonly summary: string
    readonly advice: string | null
  }
  readonly damage: readonly string[]
  /** Damage that calls have met, ever: times are ISO 8601. */
  readonly damageRecord: {
    readonly count: number
    readonly first: { readonly time: string; readonly what: string }
    readonly last: { readonly time: string; readonly what: string }
  } | null
}

export function describeVolume(
  device: Device,
  { superblock, damage }: SuperblockReading,
  mount: MountEntry | null,
): VolumeInfo {
  const { blockCount, laneCount } = superblock.geometry
  const mountedSeconds = superblock.getNumber(at.mountedSeconds)
  return {
    device: device.path,
    deviceKind: device.kind,
    mountpoint: mount?.mountpoint ?? null,
    label: superblock.label,
    uuid: superblock.uuid,
    version: superblock.get(at.version),
    features: {
      compat: superblock.get(at.compat),
      readOnlyCompat: superblock.get(at.readOnlyCompat),
      incompat: superblock.get(at.incompat),
    },
    state: superblock.get(at.state) === stateClean ? 'clean' : 'dirty',
    sizeBytes: blockCount * blockBytes,
    blockBytes,
    blocks: blockCount,
    lanes: laneCount,
    created: isoTime(superblock.getNumber(at.createdSeconds)),
    mounted: mountedSeconds === 0 ? null : isoTime(mountedSeconds),
    mountCount: superblock.get(at.mountCount),
    devices: devicesOf(superblock),
    persistence: {
      domain: device.domain.name,
      volatile: device.domain.volatile,
      direct: device.domain.isDirect,
      summary: device.domain.summary,
      advice: device.domain.advice,
    },
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

function devicesOf(superblock: Superblock): VolumeInfo['devices'] {
  return superblock.segments.map(({ first, blocks }, device) => {
    const start = at.devices * 4 + device * identifierBytes
    const identifier = Buffer.from(superblock.bytes.subarray(start, start + identifierBytes)).toString('hex')
    return { identifier, firstBlock: first, blocks }
  })
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
  if (devices.length > 1) {
    rows.push(['devices', devices.map(({ blocks }) => formatSize(blocks * blockBytes)).join(' + ')])
  }
  rows.push(['device', persistence.summary])
  return rows
}

/** A volume may be a stranger's, and a terminal must not obey it. */
export function labelText(label: string): string {
  return label === '' ? '(none)' : shownText(label)
}

/** What one should know. */
export function remarkRows({ persistence, damage, damageRecord }: VolumeInfo): Row[] {
  const rows: Row[] = damage.map((text) => ['damage', `${text}; fsck tells more`])
  if (damageRecord !== null) {
    const { count, first, last } = damageRecord
    rows.push(['damage met', `${count} ${count === 1 ? 'time' : 'times'} so far; fsck tells more`])
    rows.push(['  first', `${first.time}, ${first.what}`])
    rows.push(['  last', `${last.time}, ${last.what}`])
  }
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
