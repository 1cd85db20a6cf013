// SPDX-License-Identifier: GPL-2.0-only
/**
 * How a request that found no space, or tells how much there is, waits for what the kernel has yet to give up. The
 * FORGET of a removed file comes after the reply to UNLINK, or after its last close(2) has returned (under -o direct_io
 * a RELEASE goes before it), and by another way than a write, which may overtake it. Beside a ring, FORGETs gather for
 * a moment besides; who waits here cuts that short.
 */

/** How long a wait lasts while nothing happens. */
export const sliceMs = 10
/** What such a slice costs of a request's budget; a request that was served meanwhile costs 1. */
export const sliceCost = 10

export interface Patience {
  /** The server is told to stop: waiting is of no use any more. */
  readonly isStopped: boolean
  /**
   * Waits until more space has come back than `seen` says, for a slice at the most.
   * @returns what it costs, 0 where waiting is of no use
   */
  wait(seen: number): number
  /** Waits until what the kernel had to give up before has been given up: as good as always, and not for long. */
  drain(): void
}
