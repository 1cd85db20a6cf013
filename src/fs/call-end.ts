// SPDX-License-Identifier: GPL-2.0-only

/** How a call of the engine ends. */
export interface CallEnd {
  /** Takes back a transaction that met damage. @returns -EUCLEAN @throws any other error */
  giveUp(error: unknown, number: number): number
  unlockMetadata(): void
}
