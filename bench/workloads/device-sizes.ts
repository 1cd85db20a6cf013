// SPDX-License-Identifier: GPL-2.0-only
/** The devices whose mkfs and mount are measured (bench/device-size.ts), what a turn measures, and what must hold. */

export type Size = '1G' | '64G' | '1T'
/** Those that are held against each other. */
export const sizes = ['64G', '1T'] as const satisfies readonly Size[]
/** Those on which servers with different numbers of workers are measured. */
export const memorySizes = ['1G', ...sizes] as const
export const sizeTitles: Readonly<Record<Size, string>> = { '1G': '1 GiB', '64G': '64 GiB', '1T': '1 TiB' }

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
  /** How many workers the options ask for; undefined: the default. */
  readonly workers?: number
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
  /** PSS without the mapped medium, once the server is idle. */
  readonly idleMegabytes: number
  /** Over io_uring, the kernel may have fewer queues than workers are asked for. */
  readonly workers: number
}
