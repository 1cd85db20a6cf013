// SPDX-License-Identifier: GPL-2.0-only
/** The devices whose mkfs and mount are measured (bench/device-size.ts), what a turn measures, and what must hold. */

export const sizes = ['64G', '1T'] as const
export type Size = (typeof sizes)[number]
export const sizeTitles: Readonly<Record<Size, string>> = { '64G': '64 GiB', '1T': '1 TiB' }

/** Of 64 GiB, beyond Node's own start. */
export const mostSeconds = 1
/** Of 64 GiB, resident. */
export const mostMegabytes = 150
/** 1 TiB over 64 GiB. */
export const mostTimes = 1.5

export interface Channel {
  /** As the server names it. */
  readonly name: string
  readonly title: string
  readonly options: readonly string[]
}

export interface Cost {
  readonly seconds: number
  /** Resident at most. */
  readonly megabytes: number
}

/** What one turn measured. */
export interface Turn {
  readonly size: Size
  readonly channel: Channel
  /** The same for the sizes that are compared. */
  readonly number: number
  /** Of `node -e 0`. */
  readonly nodeSeconds: number
  readonly mkfs: Cost
  readonly mountSeconds: number
  /** Resident at most. */
  readonly serverMegabytes: number
}
