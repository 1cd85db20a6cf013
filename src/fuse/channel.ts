// SPDX-License-Identifier: GPL-2.0-only
/** A channel carries requests from the kernel to a worker and replies back. */
import { EINTR, ENODEV } from '../fs/errno.js'
import { type Mapping, PAUSE } from '../native/index.js'
import type { FileMemory, FileSystem } from './file-system.js'
import type { ServerOptions } from './server.js'
import type { Statistics } from './statistics.js'

/**
 * Why a channel serves no longer: the file system was unmounted, or the worker was told to stop, or to pause. All
 * replies have been sent.
 */
export type ChannelEnd = 'unmounted' | 'stopped' | 'paused'

/**
 * Why an exchange with the kernel gave up.
 * @param errno negative @param stop the stop word @param what failed, for messages
 * @throws Error where that was no end but a failure
 */
export function endOf(errno: number, stop: number, what: string): ChannelEnd {
  if (errno === -ENODEV) return 'unmounted'
  if (errno === -EINTR) return stop === PAUSE ? 'paused' : 'stopped'
  throw new Error(`${what} failed with errno ${-errno}`)
}

/** What every channel is made of. */
export interface ChannelParts {
  /** Descriptor of /dev/fuse, mounted. */
  readonly fd: number
  readonly files: FileSystem
  /** Where the contents of its files lie. */
  readonly memory: FileMemory
  readonly statistics: Statistics
  readonly options: ServerOptions
}

/** Where another thread asks a channel to stop or to pause: set the word, then interrupt the channel's thread. */
export interface StopPlace {
  readonly mapping: Mapping
  readonly word: number
}

export interface Channel {
  readonly stopPlace: StopPlace
  /**
   * Serves until the mount ends; blocks the thread all the while. `live` is called once, when the kernel's first
   * request has been answered.
   * @throws Error where the kernel and this server do not understand each other
   */
  serve(live: () => void): ChannelEnd
  /** After a pause: what serves from now on, by {@link goOn}. */
  serveBy(files: FileSystem, options: ServerOptions): void
  /** Serves again after a pause, as {@link serve} does. */
  goOn(): ChannelEnd
  /** Releases everything but the memory of the stop word: the thread that may still set the word unmaps it. */
  release(): void
}
