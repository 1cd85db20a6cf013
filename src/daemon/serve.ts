// SPDX-License-Identifier: GPL-2.0-only
/**
 * Serves a file system that lives in one thread, from the mount to its end: one worker serves it, and where requests go
 * over io_uring, another reads /dev/fuse and passes FORGETs on. SIGINT and SIGTERM unmount.
 */
import { closeSync } from 'node:fs'
import { ForgetReceiver, ForgetSender, createForgetQueue } from '../fuse/forget-queue.js'
import type { FileMemory, FileSystem } from '../fuse/file-system.js'
import { Statistics } from '../fuse/statistics.js'
import type { Mapping } from '../native/index.js'
import { type OwnChannelName, chooseChannel } from './channel-choice.js'
import { Ending } from './ending.js'
import { EndingSignals } from './ending-signals.js'
import { attach, checkMountpoint } from './kernel-mount.js'
import { MountCalls } from './mount-calls.js'
import { parseMountOptions } from './mount-options.js'
import { identityAt } from './mount-table.js'
import { possibleCpuCount } from './processors.js'
import type { ServedFiles } from './worker-messages.js'
import { planWorkers } from './worker-plan.js'
import { Workers } from './workers.js'

/** What a module with a file system exports. It is called in the thread that serves. */
export interface FileSystemModule {
  readonly openFileSystem: () => FileSystem
}

export interface ServeOptions {
  /** For mount(8): the source, and what follows `fuse.` in the type. */
  readonly name: string
  readonly channel?: OwnChannelName
  /** The list of -o. */
  readonly mountOptions?: string
  /** Programs can use the mount. */
  readonly live?: () => void
}

/** A worker serves requests; the reader of /dev/fuse beside a ring is the second one. */
const servingWorker = 0
const threads = 2

/**
 * Resolves when the file system has been unmounted.
 * @param module URL of a {@link FileSystemModule}
 * @throws MountError, UnknownOptionError, and what ended the worker
 */
export async function serve(module: URL, mountpoint: string, serving: ServeOptions): Promise<void> {
  const place = await checkMountpoint(mountpoint)
  const options = parseMountOptions([serving.mountOptions ?? ''])
  const { channel } = chooseChannel(serving.channel ?? 'auto', false)
  const plan = planWorkers(
    { channel, count: 1, cpus: [] },
    { allowedCpus: [], queueCount: possibleCpuCount(), laneCount: threads },
  )
  const statistics = Statistics.create(threads)
  const signals = new EndingSignals()
  const fd = attach(serving.name, place, options, serving.name)
  const calls = new MountCalls(identityAt(place))
  const common = {
    fd,
    files: {
      module: import.meta.url,
      setting: { module: module.href, forgets: createForgetQueue().mapping },
    },
    statistics: statistics.buffer.mapping,
    options: { ...options, overRing: false },
    pollMicroseconds: 0,
  }
  const workers = new Workers(plan, common, () => undefined)
  const ending = new Ending({ calls, workers, statistics, whenServing: (action) => action() })
  signals.action = () => ending.ask()
  let isLeft = true
  try {
    await workers.serve()
    serving.live?.()
    await workers.ended
    isLeft = ending.hasStopped
  } finally {
    ending.release()
    workers.stop()
    await workers.gone()
    // Programs that wait for an answer are told that none will come. Before that, unmounting might wait for one, too.
    closeSync(fd)
    await calls.end()
    if (isLeft) calls.detachLazily()
    signals.release()
  }
}

interface SingleThreadSetting {
  /** URL of a {@link FileSystemModule}. */
  readonly module: string
  readonly forgets: Mapping
}

/** Called by the worker. */
export async function openFiles(setting: SingleThreadSetting, worker: number): Promise<ServedFiles> {
  if (worker !== servingWorker) return inMemory(new ForgetSender(setting.forgets), null)
  const { openFileSystem } = (await import(setting.module)) as FileSystemModule
  return inMemory(openFileSystem(), new ForgetReceiver(setting.forgets))
}

function inMemory(files: FileSystem, forgets: ForgetReceiver | null): ServedFiles {
  const nothing = () => undefined
  return {
    files,
    memory: noMemory,
    forgets,
    fence: nothing,
    anew: () => files,
    failure: () => null,
    release: nothing,
  }
}

/** Its contents lie in the JavaScript heap. */
const noMemory: FileMemory = { windows: [] }
