// SPDX-License-Identifier: GPL-2.0-only
/**
 * A mount's life in one process: the device is opened and recovered, the kernel attached, workers serve, and in the
 * end everything is let go of in the opposite order. The main thread does nothing on the request path.
 */
import { closeSync } from 'node:fs'
import debug from 'debug'
import type { EngineSetting } from '../fs/engine-setting.js'
import { shownText } from '../check/name-text.js'
import { Statistics } from '../fuse/statistics.js'
import { tell } from './background.js'
import { engineSetting } from './engine-setting.js'
import { EndingSignals } from './ending-signals.js'
import { engineFiles } from './engine-files.js'
import { lackedDescriptors } from './descriptors.js'
import { GrowthOrders } from './growth.js'
import { attach, checkMountpoint } from './kernel-mount.js'
import { type LiveMount, takeAwayFailed, untilEnded, volumeReport } from './live-mount.js'
import { MountCalls } from './mount-calls.js'
import type { MountOptions } from './mount-options.js'
import { deviceNumber, identityAt } from './mount-table.js'
import type { OpenedVolume } from '../api/opened-volume.js'
import type { MapperName } from '../pmem/mapper.js'
import { noticesOf, openForMount } from './open-volume.js'
import { type ChannelChoice, type OwnChannelName, chooseChannel } from './channel-choice.js'
import { allowedCpus, possibleCpuCount } from './processors.js'
import { ServingMode } from './serving-mode.js'
import { localSegmentsOf, nodesOfCpus } from './worker-nodes.js'
import { type WorkersPlan, planWorkers } from './worker-plan.js'
import { workerFailure } from './mount-failure.js'
import { Workers } from './workers.js'

const trace = debug('pmfs2:daemon')

export interface MountRequest {
  /** Some devices of the volume, or all in any order. */
  readonly devices: readonly string[]
  readonly mountpoint: string
  readonly options: MountOptions
  /** Processors that workers stay on; empty for any. */
  readonly cpus: readonly number[]
  readonly channel: OwnChannelName
  /** Turn FUSE over io_uring on in the kernel if it is off. */
  readonly enableUring: boolean
  /** Refuse a device that is not mapped directly. */
  readonly requireDax: boolean
  readonly mapper: MapperName
  /** 0: the default of the channel. */
  readonly workers: number
  /** -1: while it is worth it. */
  readonly pollMicroseconds: number
}

/** Mounts, calls `live` when programs can use the mount, and resolves when it is over. @throws MountError and others */
export async function runMount(
  request: MountRequest,
  live: (notices: readonly string[]) => void,
): Promise<void> {
  const mountpoint = await checkMountpoint(request.mountpoint)
  const choice = chooseChannel(request.channel, request.enableUring)
  const opened = await openForMount(request)
  const source = opened.devices[0]!.path
  const signals = new EndingSignals()
  try {
    const prepared = prepareOrClose(request, mountpoint, opened, choice)
    trace('attached %s to %s', source, mountpoint)
    const identity = identityAt(mountpoint)
    const calls = new MountCalls(identity)
    const { options, mapper } = request
    const mounted = {
      mountpoint,
      source,
      identity,
      calls,
      opened,
      signals,
      choice,
      options,
      mapper,
      ...prepared,
    }
    await serveAndClose(request, mounted, live)
  } finally {
    signals.release()
  }
  trace('closed %s', source)
}

async function serveAndClose(
  request: MountRequest,
  mounted: Mounted,
  live: (notices: readonly string[]) => void,
): Promise<void> {
  const { source, identity, calls, opened, fd, plan, localSegments } = mounted
  let workers: Workers | null = null
  let isLeft: boolean
  const told = { isLive: false }
  const orders: { growth?: GrowthOrders } = {}
  try {
    workers = startWorkers(request, mounted)
    const say = (line: string): void => tell(`${shownText(source)}: ${line}`)
    const mode = new ServingMode({
      identity,
      opened,
      localSegments,
      workers,
      calls,
      options: request.options,
      tell: say,
    })
    opened.volume.onDamage = (what, bad) => {
      say(`damage met: ${what}`)
      // As in ext4, a file whose contents cannot be read is no reason to stop writing others.
      if (bad?.isOfContents === true) return
      if (request.options.onErrors === 'remount-ro') mode.forceReadOnly()
    }
    // No worker has been told to serve yet; and a mount that did not come about leaves no mark of one.
    opened.markMounted()
    isLeft = await serve({ ...mounted, workers, mode, orders }, (notices) => {
      told.isLive = true
      live(plan.notice === null ? notices : [...notices, plan.notice])
    })
  } catch (error) {
    opened.volume.state.markFailed()
    workers?.stop()
    await workers?.gone()
    // Programs that wait for an answer are told that none will come. From now on the mount answers ENOTCONN.
    closeSync(fd)
    await calls.end()
    await orders.growth?.settled()
    opened.abandon()
    const place = takeAwayFailed(mounted, told.isLive)
    throw workerFailure(error, place, () => lackedDescriptors(plan.servers.length + 1))
  }
  closeSync(fd)
  await calls.end()
  // One that the end has stopped puts its file back to its length. It may have waited for what is over by now.
  await orders.growth?.settled()
  try {
    opened.close()
  } finally {
    if (isLeft) calls.detachLazily()
  }
}

function planOf(request: MountRequest, choice: ChannelChoice, laneCount: number): WorkersPlan {
  const wish = { channel: choice.channel, count: request.workers, cpus: request.cpus }
  return planWorkers(wish, { allowedCpus: allowedCpus(), queueCount: possibleCpuCount(), laneCount })
}

function startWorkers(
  request: MountRequest,
  { opened, fd, plan, localSegments, statistics }: Mounted,
): Workers {
  const common = {
    fd,
    files: engineFiles({
      medium: opened.description,
      state: opened.volume.state.description,
      engine: engineSetting(opened.volume, request.options, localSegments()),
    }),
    statistics: statistics.buffer.mapping,
    options: { ...request.options, overRing: false },
    pollMicroseconds: request.pollMicroseconds,
  }
  return new Workers(plan, common, (what, bad) => opened.volume.noteDamage(what, Date.now(), bad))
}

/** The kernel is attached last: from then on programs wait for what can no longer fail. */
function prepareOrClose(
  request: MountRequest,
  mountpoint: string,
  opened: OpenedVolume,
  choice: ChannelChoice,
): Pick<Mounted, 'plan' | 'localSegments' | 'statistics' | 'fd'> {
  try {
    const { laneCount } = opened.volume.setting.geometry
    const plan = planOf(request, choice, laneCount)
    const localSegments = () => {
      const cpus = plan.servers.map(({ cpu }) => cpu)
      const { superblock } = opened.volume
      const nodes = superblock.segments.map(({ device }) => opened.devices[device]!.numaNode)
      const found = localSegmentsOf(cpus, nodes, nodesOfCpus)
      trace('local segments of each worker: %j', found)
      return found
    }
    const statistics = Statistics.create(laneCount)
    return {
      plan,
      localSegments,
      statistics,
      fd: attach(opened.devices[0]!.path, mountpoint, request.options),
    }
  } catch (error) {
    opened.close()
    throw error
  }
}

/** What a mount holds. */
interface Mounted extends LiveMount {
  /**
   * What the mount table shows: the first device of the volume, whichever was named, so that a volume has one name
   * there.
   */
  readonly source: string
  /** Of /dev/fuse. */
  readonly fd: number
  readonly choice: ChannelChoice
  readonly plan: WorkersPlan
  /** A volume that grows gets more of them. */
  readonly localSegments: () => EngineSetting['localSegments']
}

interface Served extends Mounted {
  readonly workers: Workers
  readonly mode: ServingMode
  /** What carries out orders to grow, once the mount is live. */
  readonly orders: { growth?: GrowthOrders }
}

/** Resolves when the mount has ended in order. @returns whether it may still be seen */
async function serve(served: Served, live: (notices: readonly string[]) => void): Promise<boolean> {
  const { opened, options, choice, workers, mode, orders } = served
  try {
    return await untilEnded(served, {
      server: workers,
      start: () => workers.serve(),
      whenServing: (action) => mode.whenServing(action),
      begin({ device }) {
        const growth = new GrowthOrders(deviceNumber(device), {
          opened,
          mode,
          gathers: options.writebackCache,
        })
        orders.growth = growth
        mode.watch()
        return () => {
          // The client may be in another mount namespace, and changes there cause no event in this one.
          mode.follow()
          growth.follow()
          const { channel } = choice
          const own = { channel, workers: workers.count, mode: mode.report, growths: growth.reports }
          return { ...volumeReport(served), ...own }
        }
      },
      live() {
        const { writebackCache } = options
        const lossy = writebackCache ? [writebackNotice] : []
        const news = noticesOf(opened, writebackCache)
        live([...news, ...(choice.notice === null ? [] : [choice.notice]), ...lossy])
      },
    })
  } finally {
    mode.release()
  }
}

const writebackNotice =
  'writeback_cache: buffered writes are durable only after fsync(2), close(2) or unmounting; a killed server loses the others, as a power failure does'
