// SPDX-License-Identifier: GPL-2.0-only

/** How the engine ends a call that another class began. */
export interface CallEnd {
  /** Undoes a transaction that met damage. @throws any error that is not damage */
  giveUp(error: unknown, number: number): number
  unlockMetadata(): void
}
