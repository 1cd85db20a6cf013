// SPDX-License-Identifier: GPL-2.0-only
/** What the main thread and a worker tell each other. */
import type { ChannelEnd } from '../fuse/channel.js'
import type { ServerOptions } from '../fuse/server.js'
import type { EngineSetting } from '../fs/engine.js'
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
}

export type WorkerMessage =
  /** It is about to serve; this is how to stop it. */
  | { readonly type: 'started'; readonly threadId: number; readonly stop: { mapping: Mapping; word: number } }
  /** The kernel's first request has been answered. */
  | { readonly type: 'live' }
  | { readonly type: 'ended'; readonly end: ChannelEnd }
