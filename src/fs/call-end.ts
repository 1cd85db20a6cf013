// SPDX-License-Identifier: GPL-2.0-only
import type { Others } from './others.js'

/** How the engine ends a call that another class began, or interrupts it between two transactions. */
export interface CallEnd extends Others {
  /** Undoes a transaction that met damage. @throws any error that is not damage */
  giveUp(error: unknown, number: number): number
  unlockMetadata(): void
}
