// SPDX-License-Identifier: GPL-2.0-only
/**
 * How a request that found no space waits for what the kernel has yet to give up. The kernel sends FORGET after the
 * reply to UNLINK, and RELEASE after close(2) has returned, so a write may overtake both.
 */
import type { Engine } from '../fs/engine.js'

/** How long a wait lasts while nothing happens. */
export const sliceMs = 10
/** What such a slice costs of a request's budget; a request that was served meanwhile costs 1. */
export const sliceCost = 10
/** 200 ms. */
export const fullBudget = 20 * sliceCost
/** Where the last wait for the same was in vain. */
export const vainBudget = 2 * sliceCost
/** A request is tried again this often at the most, however much comes back. */
export const mostTries = 100

export interface Patience {
  /**
   * Waits until more space has come back than `seen` says, for a slice at the most.
   * @returns what it costs, 0 where waiting is of no use
   */
  wait(seen: number): number
}

/** For who has others that read FORGETs. */
export class SleepingPatience implements Patience {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  wait(seen: number): number {
    this.#engine.space.sleep(seen, sliceMs)
    return sliceCost
  }
}
