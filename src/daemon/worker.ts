// SPDX-License-Identifier: GPL-2.0-only
/** A worker thread: makes its engine and serves, without ever returning to its event loop meanwhile. */
import { parentPort, workerData } from 'node:worker_threads'
import { Engine } from '../fs/engine.js'
import { SharedState } from '../fs/shared-state.js'
import { DevfuseChannel } from '../fuse/devfuse.js'
import { Statistics } from '../fuse/statistics.js'
import { native } from '../native/index.js'
import { MappedMedium } from '../pmem/mapped-medium.js'
import type { WorkerMessage, WorkerSetting } from './worker-messages.js'

function tell(message: WorkerMessage): void {
  parentPort!.postMessage(message)
}

function serve(setting: WorkerSetting): void {
  if (setting.cpu !== null) native.pin(setting.cpu)
  native.nameThread(`pmfs2-${setting.worker}`)
  const medium = new MappedMedium(setting.medium)
  const engine = new Engine(medium, SharedState.view(setting.state), setting.engine, setting.worker)
  const statistics = Statistics.view(setting.statistics)
  const channel = new DevfuseChannel({ fd: setting.fd, engine, medium, statistics, options: setting.options })
  tell({ type: 'started', threadId: native.threadId(), stop: channel.stopPlace })
  const end = channel.serve(() => tell({ type: 'live' }))
  channel.release()
  medium.release()
  tell({ type: 'ended', end })
}

serve(workerData as WorkerSetting)
