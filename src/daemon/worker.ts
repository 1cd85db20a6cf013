// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a worker thread runs (engine-worker.ts, module-worker.ts): it makes its file system and serves, without ever
 * returning to its event loop meanwhile.
 */
import { getSystemErrorName } from 'node:util'
import { parentPort, workerData } from 'node:worker_threads'
import { type DamageListener, DamagedPlaces } from '../fs/damage.js'
import type { Channel, ChannelEnd } from '../fuse/channel.js'
import { DevfuseChannel } from '../fuse/devfuse.js'
import { Statistics } from '../fuse/statistics.js'
import { UringChannel } from '../fuse/uring.js'
import { native } from '../native/index.js'
import { DeviceError } from '../pmem/device-error.js'
import { PmemError } from '../pmem/pmem-error.js'
import type {
  FilesModule,
  FilesSetting,
  Order,
  ServedFiles,
  WorkerMessage,
  WorkerSetting,
} from './worker-messages.js'

function tell(message: WorkerMessage): void {
  parentPort!.postMessage(message)
}

/** @param load gives the module that makes the files of the setting */
export async function runWorker(load: (files: FilesSetting) => Promise<FilesModule>): Promise<void> {
  await prepare(workerData as WorkerSetting, load).catch(tellFailure)
}

async function prepare(
  setting: WorkerSetting,
  load: (files: FilesSetting) => Promise<FilesModule>,
): Promise<void> {
  const { openFiles } = await load(setting.files)
  tell({ type: 'loaded' })
  if (setting.cpu !== null) pin(setting.cpu)
  native.nameThread(`pmfs2-${setting.worker}`)
  const { fd, options } = setting
  const served = await openFiles(setting.files.setting, setting.worker, tellDamage())
  const { files, memory, forgets } = served
  const statistics = Statistics.view(setting.statistics, setting.worker)
  const parts = { fd, files, memory, statistics, options }
  const channel =
    setting.queues === null
      ? new DevfuseChannel(parts)
      : new UringChannel({
          ...parts,
          queues: setting.queues,
          pollMicroseconds: setting.pollMicroseconds,
          forgets,
        })
  const goOn = (order: Order): ChannelEnd => {
    if (order !== 'serve') channel.serveBy(served.anew(order.files), { ...options, ...order.options })
    return channel.goOn()
  }
  const worker = { channel, served, goOn }
  parentPort!.once('message', () =>
    telling(() => serve(worker, () => channel.serve(() => tell({ type: 'live' })))),
  )
  tell({ type: 'started', threadId: native.threadId(), stop: channel.stopPlace })
}

/** The main thread records it; to hear of each place once will do. */
function tellDamage(): DamageListener {
  const places = new DamagedPlaces()
  return (what, bad) => {
    if (places.add(what, bad)) tell({ type: 'damage', what, bad })
  }
}

function pin(cpu: number): void {
  const error = native.pin(cpu)
  if (error < 0) throw new Error(`a worker cannot stay on processor ${cpu}: ${getSystemErrorName(error)}`)
}

interface Serving {
  readonly channel: Channel
  readonly served: ServedFiles
  /** After a pause. */
  readonly goOn: (order: Order) => ChannelEnd
}

function serve(worker: Serving, work: () => ChannelEnd): void {
  const { channel, served, goOn } = worker
  let end: ChannelEnd
  let isPaused = false
  try {
    end = work()
    if (end === 'paused') {
      // What it has stored so far is durable before anybody relies on that.
      served.fence()
      isPaused = true
      parentPort!.once('message', (order: Order) => telling(() => serve(worker, () => goOn(order))))
      tell({ type: 'paused' })
      return
    }
  } catch (error) {
    // Where the device has failed, whatever else was met came of that.
    throw served.failure() ?? error
  } finally {
    // Also of a worker that failed: its ring keeps the mount alive, and programs waiting.
    if (!isPaused) channel.release()
  }
  served.release()
  tell({ type: 'ended', end })
}

/** Does `work`, and reports a failure that is no defect; a defect ends the thread. */
function telling(work: () => void): void {
  try {
    work()
  } catch (error) {
    tellFailure(error)
  }
}

/** @throws what is a defect */
function tellFailure(error: unknown): void {
  if (!(error instanceof DeviceError) && !(error instanceof PmemError)) throw error
  tell({ type: 'failed', code: error.code, message: error.message })
}
