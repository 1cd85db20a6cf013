// SPDX-License-Identifier: GPL-2.0-only
/** The writes whose stages are timed. */

/** Bytes; durable-write.c has the same. */
export const writeSizes = [8, 64, 128, 256, 512, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304] as const

/** Whether the place that is written to is in the processor's caches. */
export const warmths = ['cold', 'hot'] as const
export type Warmth = (typeof warmths)[number]

/** What an overwrite has gone through, one after the other; each is timed from the beginning. */
export const overwriteStages = ['stored', 'flushed', 'fenced', 'engine', 'call'] as const
/** The same of a write at the end of a file: `engine` overwrites, and `append` takes a transaction besides. */
export const appendStages = ['stored', 'flushed', 'fenced', 'engine', 'append', 'append-call'] as const
/** Those that are timed. */
export const stages = [...overwriteStages, 'append', 'append-call'] as const
export type Stage = (typeof stages)[number]

/** Two ways to make it durable. */
export const ways = ['flush', 'non-temporal'] as const
export type Way = (typeof ways)[number]
/** Where both are compared. The last one is the same place over and over, read back after each write. */
export const comparedWarmths = [...warmths, 'reread'] as const
/** The same of short writes. */
export const shortWarmths = ['cold', 'reread'] as const

/** Of copies that are no whole lines, the shortest that go past the caches; src/native/flush.h has the same. */
export const nontemporalThresholdBytes = 512

/** Where a threshold decides between both, with their lengths in bytes; durable-write.c has the same. */
export const shortWrites = {
  copy: [100, 150, 200, 300, 400, 500, 1000],
  zero: [64, 128, 192, 256, 512, 1024, 4096],
} as const
export type ShortWrite = keyof typeof shortWrites
export const shortWriteNames = ['copy', 'zero'] as const satisfies readonly ShortWrite[]
