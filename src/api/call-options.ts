// SPDX-License-Identifier: GPL-2.0-only
/** The types of what calls take beside a path and data. */

/** Flags as node:fs has them, such as 'r', 'wx' and 'a+', or O_* of open(2). */
export type OpenFlags = string | number
/** Permission bits, or their octal digits. The process's umask is taken off where something is made. */
export type Mode = number | string
/** Seconds since 1970, as a number or its digits, or a Date. */
export type Time = number | string | Date
/** How names are given back: 'buffer' for bytes, as a name need not be text. */
export type NameEncoding = BufferEncoding | 'buffer' | null

/** A place in a file, in bytes: null is where the file is at. */
export type Position = number | bigint | null

export interface ReadOptions<Target extends ArrayBufferView> {
  buffer?: Target
  /** Where in the buffer. */
  offset?: number | null
  length?: number | null
  position?: Position
}

export interface WriteOptions {
  /** Where in the buffer. */
  offset?: number | null
  length?: number | null
  position?: Position
}

export interface ReadFileOptions {
  encoding?: BufferEncoding | null
  signal?: AbortSignal
}

export interface WriteFileOptions {
  /** Of text. */
  encoding?: BufferEncoding | null
  /** Every write is durable in any case. */
  flush?: boolean
  signal?: AbortSignal
}

export interface ReadPathOptions extends ReadFileOptions {
  flag?: OpenFlags
}

export interface WritePathOptions extends WriteFileOptions {
  /** Of a file that is made. */
  mode?: Mode
  flag?: OpenFlags
}

export interface ReaddirOptions {
  encoding?: NameEncoding
  withFileTypes?: boolean
  recursive?: boolean
}
