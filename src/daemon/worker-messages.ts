// SPDX-License-Identifier: GPL-2.0-only
/** What the main thread and a worker tell each other. */
import type { ChannelEnd, StopPlace } from '../fuse/channel.js'
import type { ServerOptions } from '../fuse/server.js'
import type { EngineSetting } from '../fs/engine-setting.js'
import type { SharedStateDescription } from '../fs/shared-state.js'
import type { Mapping } from '../native/index.js'
import type { MediumDescription } from '../pmem/mapped-medium.js'

/** All that a worker is made of. */
export interface WorkerSetting {
  /** From 0: its lane of the undo log. */
  readonly worker: number
  /** The processor to stay on, null for any. */
  readonly cpu: number | null
  /** Descriptor of /dev/fuse. */
  readonly fd: number
  readonly medium: MediumDescription
  readonly state: SharedStateDescription
  readonly engine: EngineSetting
  readonly statistics: Mapping
  readonly options: ServerOptions
  /** Processors whose queues it serves over io_uring; null: it reads /dev/fuse. */
  readonly queues: readonly number[] | null
  readonly pollMicroseconds: number
}

/** What the main thread tells a worker that is ready or paused: to serve as before, or in another way. */
export type Order = 'serve' | NewMode

/** How to serve after a pause. */
export interface NewMode {
  readonly engine: EngineSetting
  readonly options: Partial<ServerOptions>
}

export type WorkerMessage =
  /** It has all that it needs and waits to be told to serve; this is how to stop it. */
  | { readonly type: 'started'; readonly threadId: number; readonly stop: StopPlace }
  /** The kernel's first request has been answered, or the ring's entries have been offered. */
  | { readonly type: 'live' }
  /** It has been told to pause, and waits for an order. */
  | { readonly type: 'paused' }
  /** A call has met damage, in a place of which this worker has not told yet. */
  | { readonly type: 'damage'; readonly what: string }
  | { readonly type: 'ended'; readonly end: ChannelEnd }
  /** It cannot go on, and no defect is to blame: the device failed, or the system refuses what is needed. */
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
