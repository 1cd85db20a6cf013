// SPDX-License-Identifier: GPL-2.0-only
/**
 * The superblock's record of damage, as ext4 has one: how often calls have met damage, when and where first and last.
 * It outlives mounts, and says that fsck is due; on a volume where none was ever met, all of it is zeros.
 */
import { damageTextBytes, superblock as layout } from '../../layout/superblock.js'
import type { Superblock } from './superblock.js'

const at = layout.word
const mostCount = 2 ** 32 - 1

export interface DamageRecord {
  /** Calls that met damage, at least. */
  readonly count: number
  readonly first: RecordedDamage
  readonly last: RecordedDamage
}

export interface RecordedDamage {
  /** Since 1970. */
  readonly seconds: number
  readonly what: string
}

/** Calls that met damage, at least. */
export function damageCount(superblock: Superblock): number {
  return superblock.get(at.damageCount)
}

/** @returns null where no damage was met */
export function damageRecord(superblock: Superblock): DamageRecord | null {
  const count = damageCount(superblock)
  if (count === 0) return null
  return {
    count,
    first: { seconds: superblock.getNumber(at.firstDamageSeconds), what: textAt(superblock, at.firstDamage) },
    last: { seconds: superblock.getNumber(at.lastDamageSeconds), what: textAt(superblock, at.lastDamage) },
  }
}

/** Damage was met in a new place. @param now ms since 1970 */
export function recordDamage(superblock: Superblock, what: string, now: number): void {
  const seconds = Math.floor(now / 1000)
  if (damageCount(superblock) === 0) {
    superblock.setNumber(at.firstDamageSeconds, seconds)
    putText(superblock, at.firstDamage, what)
  }
  superblock.setNumber(at.lastDamageSeconds, seconds)
  putText(superblock, at.lastDamage, what)
}

/** @param count all that were ever met */
export function recordDamageCount(superblock: Superblock, count: number): void {
  superblock.set(at.damageCount, Math.min(count, mostCount))
}

/** For people, with times in UTC. */
export function damageRecordText({ count, first, last }: DamageRecord): string {
  const once = `damage was met on ${dateText(first.seconds)} (${first.what})`
  if (count === 1) return once
  return `damage was met ${count} times, first on ${dateText(first.seconds)} (${first.what}), last on ${dateText(last.seconds)} (${last.what})`
}

function dateText(seconds: number): string {
  const time = new Date(seconds * 1000)
  return Number.isNaN(time.getTime()) ? `${seconds} s after 1970` : time.toISOString().replace('.000', '')
}

function textAt(superblock: Superblock, field: number): string {
  const text = superblock.bytes.subarray(field * 4, field * 4 + damageTextBytes)
  const end = text.indexOf(0)
  // A volume may be a stranger's, and a terminal must not obey it.
  return new TextDecoder().decode(end < 0 ? text : text.subarray(0, end)).replace(/[^ -~]/g, '?')
}

/** What is longer is cut short, as it is for people only. */
function putText(superblock: Superblock, field: number, text: string): void {
  const bytes = superblock.bytes.subarray(field * 4, field * 4 + damageTextBytes)
  bytes.fill(0)
  new TextEncoder().encodeInto(text, bytes)
}
