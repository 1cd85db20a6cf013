// SPDX-License-Identifier: GPL-2.0-only
/** The facts of a volume, as data and as lines for people. */
import { blockBytes } from '../../layout/geometry.js'
import { deviceEntryWords, stateClean, superblock as layout } from '../../layout/superblock.js'
import type { MountEntry } from '../daemon/mount-table.js'
import type { Superblock, SuperblockReading } from '../fs/superblock.js'
import type { Device } from '../pmem/device.js'
import { formatSize } from './size.js'

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
  readonly devices: readonly { readonly firstBlock: number; readonly blocks: number }[]
  readonly persistence: { readonly domain: string; readonly volatile: boolean }
  /** What one should know of the device. */
  readonly notice: string | null
  readonly damage: readonly string[]
}

export interface Usage {
  readonly totalBytes: number
  readonly usedBytes: number
  readonly freeBytes: number
  readonly usedInodes: number
  readonly freeInodes: number
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
    persistence: { domain: device.domain.name, volatile: device.domain.volatile },
    notice: device.notice,
    damage,
  }
}

function isoTime(seconds: number): string {
  const time = new Date(seconds * 1000)
  return Number.isNaN(time.getTime()) ? `${seconds} s after 1970` : time.toISOString().replace('.000', '')
}

function devicesOf(superblock: Superblock): VolumeInfo['devices'] {
  return Array.from({ length: superblock.get(at.deviceCount) }, (_, index) => {
    const entry = at.devices + index * deviceEntryWords
    return { firstBlock: superblock.get(entry + 4), blocks: superblock.get(entry + 5) }
  })
}

/** Names and values for people. */
export function infoRows(
  volume: VolumeInfo,
  usage: Usage | null,
  server: object | null,
): (readonly [string, string])[] {
  const { features, devices, persistence } = volume
  const rows: (readonly [string, string])[] = [
    ['label', volume.label === '' ? '(none)' : volume.label],
    ['UUID', volume.uuid],
    ['size', `${formatSize(volume.sizeBytes)}, ${volume.blocks} blocks of ${formatSize(volume.blockBytes)}`],
    ['state', stateText(volume)],
    ['created', volume.created],
    ['mounted', volume.mounted === null ? 'never' : `${volume.mounted}, ${volume.mountCount} times so far`],
    ['format', `version ${volume.version}, features ${featureText(features)}`],
    ['lanes', `${volume.lanes}`],
  ]
  if (devices.length > 1) {
    rows.push(['devices', devices.map(({ blocks }) => formatSize(blocks * blockBytes)).join(' + ')])
  }
  rows.push(['durable by', domainText(persistence.domain)])
  if (usage !== null) {
    rows.push(['used', `${formatSize(usage.usedBytes)} of ${formatSize(usage.totalBytes)}${percent(usage)}`])
    rows.push(['inodes', `${usage.usedInodes} used, ${usage.freeInodes} free`])
  }
  if (server !== null) rows.push(...serverRows(server))
  if (volume.notice !== null) rows.push(['note', volume.notice])
  for (const damage of volume.damage) rows.push(['damage', `${damage}; fsck tells more`])
  return rows
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

function domainText(domain: string): string {
  if (domain === 'cache-lines') return 'flushing cache lines'
  return domain === 'fence-only' ? 'a fence alone (eADR)' : 'msync(2) of pages'
}

function percent({ usedBytes, totalBytes }: Usage): string {
  return totalBytes === 0 ? '' : ` (${Math.round((usedBytes / totalBytes) * 100)} %)`
}

/** What the server tells, one name and value a line; what is nested keeps its path. */
function serverRows(server: object, prefix = ''): (readonly [string, string])[] {
  return Object.entries(server).flatMap(([name, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? serverRows(value, `${prefix}${name}.`)
      : [[`${prefix}${name}`, typeof value === 'string' ? value : JSON.stringify(value)] as const],
  )
}
