// SPDX-License-Identifier: GPL-2.0-only
/** What the kinds of stress have in common. */

export interface StressOptions {
  readonly seed: number
  readonly durationMs: number
  readonly progress: (progress: StressProgress) => void
}

export interface StressProgress {
  /** So far. */
  readonly calls: number
  readonly rounds: number
  /** The round that has just ended, in words. */
  readonly what: string
}

export interface StressResult {
  readonly calls: number
  readonly rounds: number
  /** One sentence each; none is good. */
  readonly problems: readonly string[]
}

export interface RoundResult {
  readonly calls: number
  /** One sentence each. */
  readonly problems: readonly string[]
}
