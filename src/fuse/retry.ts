// SPDX-License-Identifier: GPL-2.0-only
/**
 * Serves a request that found no space once more, whenever some has come back, while more is about to. All that it
 * remembers of a request is local: while one waits, others are served, and may have to wait as well.
 *
 * A request that still waits when the server is told to stop ends as the kernel ends those that no server answers. That
 * there is no space would not be true.
 */
import { ECONNABORTED, ENOSPC } from '../fs/errno.js'
import type { FileSystem } from './file-system.js'
import { type Patience, sliceCost } from './patience.js'

/** What a write gives that found some space, but too little. */
export const CUT_SHORT = -(1 << 28)
/** 200 ms. */
const fullBudget = 20 * sliceCost
/** Where the last wait for the same was in vain. */
const vainBudget = 2 * sliceCost
/** A request is served again this often at the most, however much comes back. */
const mostTries = 100
/** The same while files are being freed that take long: each time, a part of one was. */
const mostTriesWhileComing = 4096
/** In place of what is left of a budget: no space comes, or the server is told to stop. */
const noneComes = -1
const stopping = -2

type RetryPatience = Pick<Patience, 'wait' | 'isStopped'>

/** Serves the request in hand, once. */
export interface Servant {
  serve(opcode: number): number
}

export class Retry {
  readonly #files: Pick<FileSystem, 'space' | 'firstOrphan'>
  readonly #patience: RetryPatience
  readonly #servant: Servant

  constructor(files: Pick<FileSystem, 'space' | 'firstOrphan'>, patience: RetryPatience, servant: Servant) {
    this.#files = files
    this.#patience = patience
    this.#servant = servant
  }

  /**
   * @param first what the request got when it was served first
   * @param seen how often space had come back before that
   * @returns what it got at last
   */
  serve(opcode: number, first: number, seen: number): number {
    const { space } = this.#files
    let result = first
    let before = seen
    let budget = fullBudget
    let tries = 0
    let triesWhileComing = 0
    while (tries < mostTries && lacksSpace(result)) {
      if (space.isComing && ++triesWhileComing <= mostTriesWhileComing)
        budget = this.#awaitComing(before, budget)
      else {
        budget = this.#await(before, budget)
        tries++
      }
      if (budget === stopping && result === -ENOSPC) return -ECONNABORTED
      if (budget < 0) break
      before = space.freed
      result = this.#servant.serve(opcode)
    }
    return result
  }

  /** What is coming back is sure to come, and waiting for it costs nothing. @returns as {@link #await} */
  #awaitComing(seen: number, budget: number): number {
    const { space } = this.#files
    while (space.freed === seen && space.isComing) if (this.#patience.wait(seen) === 0) return this.#givenUp()
    return budget
  }

  /**
   * Waits until more space has come back than `seen` says. @returns what is left of the budget, or noneComes, or
   * stopping
   */
  #await(seen: number, budget: number): number {
    const { space } = this.#files
    let left = budget
    while (space.freed === seen) {
      const orphan = this.#files.firstOrphan()
      // The orphan that was waited for may have been the last one.
      if (space.freed !== seen) break
      if (orphan === 0) return noneComes
      if (space.isVain(orphan)) left = Math.min(left, vainBudget)
      const cost = left > 0 ? this.#patience.wait(seen) : 0
      if (cost === 0) {
        space.noteVain(orphan)
        return this.#givenUp()
      }
      left -= cost
    }
    return Math.max(left, 0)
  }

  #givenUp(): number {
    return this.#patience.isStopped ? stopping : noneComes
  }
}

/** Whether a request would have got further with more space. */
export function lacksSpace(result: number): boolean {
  return result === -ENOSPC || result === CUT_SHORT
}
