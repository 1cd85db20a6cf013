// SPDX-License-Identifier: GPL-2.0-only
/** Where the clients of a mount meet, and how an inode's atoms are made when its generation cannot be seen. */
import { type BigIntStats } from 'node:fs'
import { fileIdOf } from './atoms.js'
import { cutFiles } from './shared-files-plan.js'

export const arenas = ['arena-0', 'arena-1', 'arena-2'] as const
/** Names that are in each arena throughout: so many and so long that a listing takes several requests. */
export const permanent: readonly string[] = Array.from({ length: 400 }, (_, n) =>
  `permanent-${n}`.padEnd(40 + (n % 60), '.'),
)
export const cells = 'cells'
export const cuts: readonly string[] = Array.from({ length: cutFiles }, (_, n) => `cut-${n}`)
export const appended = 'appended'
/** Identities of the files above, which are made anew for each round. */
export const cellsId = 11
export const cutId = (file: number): number => 21 + file
export const appendedId = 31
export const home = (client: number): string => `home-${client}`

/** What a client is started with. */
export interface MountClientSetting {
  readonly mountpoint: string
  readonly board: string
  readonly client: number
  readonly clients: number
  readonly seed: number
  readonly privateSeed: number
  readonly fill: boolean
}

/** An inode number comes again, but not with the same time of birth. */
export function fileIdOfStat(stat: BigIntStats): number {
  return fileIdOf(Number(stat.ino), Number(BigInt.asIntN(32, stat.birthtimeNs / 1000n)))
}

const recordLengths = [8, 1, 24, 600]
const clientShift = 20

/** The n-th record (from 1) that a client appends, as atoms that count from the record's start. */
export function recordOf(client: number, n: number): { id: number; sequence: number; atoms: number } {
  return {
    id: appendedId,
    sequence: (client << clientShift) | n,
    atoms: recordLengths[(client + n) % recordLengths.length]!,
  }
}

export function recordOfSequence(sequence: number): { client: number; n: number; atoms: number } {
  const client = sequence >>> clientShift
  const n = sequence & ((1 << clientShift) - 1)
  return { client, n, atoms: recordOf(client, n).atoms }
}
