// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a write does to blocks that the file has. There are two ways, and an engine is made with one of them: in place
 * (in-place.ts), where a power failure may leave some words new and others old; and copy-on-write (copy-on-write.ts),
 * where a write is there as a whole or not at all.
 */
import type { Inode } from './inode.js'
import type { WriteInProgress } from './write-in-progress.js'

/** The values of the mount option `data`. */
export const dataModes = ['inplace', 'cow'] as const
export type DataMode = (typeof dataModes)[number]

/** The caller holds the inode's lock for writing. */
export interface Overwriting {
  /**
   * Carries out a write that changes neither the file's size nor its mode, if that takes no transaction. Durable on
   * return. @returns false, having done nothing, where it takes one
   */
  overwrite(inode: Inode, write: WriteInProgress): boolean
  /**
   * In a transaction, before anything else of the write: sees to it that the data may be copied into the blocks that
   * the file has by then. @returns false where there is no space; then the caller aborts the transaction
   */
  prepare(inode: Inode, write: WriteInProgress): boolean
  /** After a transaction that found too little space. @returns whether to try again, maybe with another length */
  retry(write: WriteInProgress): boolean
}

/** @returns null where the text is none of them */
export function dataModeOf(text: string): DataMode | null {
  return dataModes.find((mode) => mode === text) ?? null
}
