// SPDX-License-Identifier: GPL-2.0-only
/** What the main thread and a worker tell each other. */
import type { ChannelEnd, StopPlace } from '../fuse/channel.js'
import type { ServerOptions } from '../fuse/server.js'
import type { DamageListener } from '../fs/damage.js'
import type { BadPlace } from '../fs/volume-error.js'
import type { ForgetReceiver } from '../fuse/forget-queue.js'
import type { FileMemory, FileSystem } from '../fuse/file-system.js'
import type { Mapping } from '../native/index.js'

/** What a worker serves. */
export interface ServedFiles {
  readonly files: FileSystem
  /** Where the contents of its files lie. */
  readonly memory: FileMemory
  readonly forgets: ForgetReceiver | null
  /** Makes durable what it has stored. */
  fence(): void
  /** @param setting how it is served after a pause ({@link NewMode}) @returns the file system from then on */
  anew(setting: unknown): FileSystem
  /** Why the worker cannot go on, whatever else was met; null where nothing has failed. */
  failure(): Error | null
  /** Lets go of what the worker alone has. */
  release(): void
}

/** A module that makes what a worker serves. */
export interface FilesModule {
  /** @param setting of {@link FilesSetting} */
  readonly openFiles: (
    setting: unknown,
    worker: number,
    onDamage: DamageListener,
  ) => ServedFiles | Promise<ServedFiles>
}

export interface FilesSetting {
  /** URL of a {@link FilesModule}, which the thread that starts the worker has loaded; null: the engine's. */
  readonly module: string | null
  /** What it is to be told, as workerData can carry it. */
  readonly setting: unknown
}

/** All that a worker is made of. */
export interface WorkerSetting {
  /** From 0: its lane of the undo log. */
  readonly worker: number
  /** The processor to stay on, null for any. */
  readonly cpu: number | null
  /** Descriptor of /dev/fuse. */
  readonly fd: number
  readonly files: FilesSetting
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
  /** For {@link ServedFiles.anew}. */
  readonly files: unknown
  readonly options: Partial<ServerOptions>
}

export type WorkerMessage =
  /** It has loaded all modules that the main thread has. */
  | { readonly type: 'loaded' }
  /** It has all that it needs and waits to be told to serve; this is how to stop it. */
  | { readonly type: 'started'; readonly threadId: number; readonly stop: StopPlace }
  /** The kernel's first request has been answered, or the ring's entries have been offered. */
  | { readonly type: 'live' }
  /** It has been told to pause, and waits for an order. */
  | { readonly type: 'paused' }
  /** A call has met damage, in a place of which this worker has not told yet. */
  | { readonly type: 'damage'; readonly what: string; readonly bad: BadPlace | undefined }
  | { readonly type: 'ended'; readonly end: ChannelEnd }
  /** It cannot go on, and no defect is to blame: the device failed, or the system refuses what is needed. */
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
