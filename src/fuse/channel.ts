// SPDX-License-Identifier: GPL-2.0-only
/** A channel carries requests from the kernel to a worker and replies back. */

/** Why a channel ended: the file system was unmounted, or the worker was told to stop. */
export type ChannelEnd = 'unmounted' | 'stopped'

export interface Channel {
  /**
   * Serves until the mount ends; blocks the thread all the while. `live` is called once, when the kernel's first
   * request has been understood.
   * @throws Error where the kernel and this server do not understand each other
   */
  serve(live: () => void): ChannelEnd
  release(): void
}
