// SPDX-License-Identifier: GPL-2.0-only
/**
 * A mount's life in one process: the device is opened and recovered, the kernel attached, workers serve, and in the
 * end everything is let go of in the opposite order. The main thread does nothing on the request path.
 */
import { closeSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import debug from 'debug'
import { kernelName } from '../native/file-name.js'
import type { EngineSetting } from '../fs/engine-setting.js'
import { shownLine, shownText } from '../check/name-text.js'
import { Statistics } from '../fuse/statistics.js'
import { logIfAlone, tell } from './background.js'
import { type Control, openControl } from './control.js'
import { type DaemonReport, usageOf } from './daemon-report.js'
import { engineSetting } from './engine-setting.js'
import { Ending } from './ending.js'
import { EndingSignals } from './ending-signals.js'
import { engineFiles } from './engine-files.js'
import { lackedDescriptors } from './descriptors.js'
import { detach, detachLazily } from './detach.js'
import { Growth } from './growth.js'
import { attach, checkMountpoint } from './kernel-mount.js'
import { MountCalls } from './mount-calls.js'
import type { MountOptions } from './mount-options.js'
import { findMount, placesOf } from './mount-table.js'
import type { OpenedVolume } from '../api/opened-volume.js'
import { deviceLine } from '../pmem/device.js'
import type { MapperName } from '../pmem/mapper.js'
import { noticesOf, openForMount } from './open-volume.js'
import { type ChannelChoice, type OwnChannelName, chooseChannel } from './channel-choice.js'
import { allowedCpus, possibleCpuCount } from './processors.js'
import { ServingMode } from './serving-mode.js'
import { localSegmentsOf, nodesOfCpus } from './worker-nodes.js'
import { type WorkersPlan, planWorkers } from './worker-plan.js'
import { workerFailure } from './worker-failure.js'
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
    const device = findMount(mountpoint)?.device ?? null
    const calls = new MountCalls(device)
    const mounted = { mountpoint, source, device, calls, opened, signals, choice, ...prepared }
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
  const { source, device, calls, opened, fd, plan, localSegments, signals } = mounted
  let workers: Workers | null = null
  let isLeft: boolean
  const told = { isLive: false }
  try {
    workers = startWorkers(request, mounted)
    const say = (line: string): void => tell(`${shownText(source)}: ${line}`)
    const mode = new ServingMode({
      device,
      opened,
      localSegments,
      workers,
      calls,
      options: request.options,
      tell: say,
    })
    opened.volume.onDamage = (what) => {
      say(`damage met: ${what}`)
      if (request.options.onErrors === 'remount-ro') mode.forceReadOnly()
    }
    // No worker has been told to serve yet; and a mount that did not come about leaves no mark of one.
    opened.markMounted()
    isLeft = await serve(request, { ...mounted, workers, mode }, (notices) => {
      told.isLive = true
      live(plan.notice === null ? notices : [...notices, plan.notice])
    })
  } catch (error) {
    opened.volume.state.markFailed()
    workers?.stop()
    await workers?.gone()
    // Programs that wait for an answer are told that none will come. From now on the mount answers ENOTCONN.
    closeSync(fd)
    const callsEnded = calls.end()
    opened.abandon()
    await callsEnded
    // A mount that programs know stays, or they would go on writing into the directory below it.
    if (device !== null && (!told.isLive || signals.came) && detach(device).length > 0) detachLazily(device)
    const place = device === null ? null : (placesOf(device)[0] ?? null)
    throw workerFailure(error, place, () => lackedDescriptors(plan.servers.length + 1))
  }
  closeSync(fd)
  const callsEnded = calls.end()
  try {
    // Before what may fail, or take its time.
    opened.close()
  } finally {
    await callsEnded
    if (isLeft && device !== null) detachLazily(device)
  }
}

function planOf(request: MountRequest, choice: ChannelChoice, laneCount: number): WorkersPlan {
  const wish = { channel: choice.channel, count: request.workers, cpus: request.cpus }
  return planWorkers(wish, { allowedCpus: allowedCpus(), queueCount: possibleCpuCount(), laneCount })
}

function startWorkers(request: MountRequest, { opened, fd, plan, localSegments, statistics }: Mounted): Workers {
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
  return new Workers(plan, common, (what) => opened.volume.noteDamage(what, Date.now()))
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
      return localSegmentsOf(cpus, nodes, nodesOfCpus())
    }
    trace('local segments of each worker: %j', localSegments())
    const statistics = Statistics.create(laneCount)
    return { plan, localSegments, statistics, fd: attach(opened.devices[0]!.path, mountpoint, request.options) }
  } catch (error) {
    opened.close()
    throw error
  }
}

/** What a mount holds. */
interface Mounted {
  readonly mountpoint: string
  /**
   * What the mount table shows: the first device of the volume, whichever was named, so that a volume has one name
   * there.
   */
  readonly source: string
  /** Its device number, as the mount table has it; null where somebody has unmounted it at once. */
  readonly device: string | null
  readonly calls: MountCalls
  readonly opened: OpenedVolume
  /** Of /dev/fuse. */
  readonly fd: number
  readonly signals: EndingSignals
  readonly choice: ChannelChoice
  readonly plan: WorkersPlan
  /** A volume that grows gets more of them. */
  readonly localSegments: () => EngineSetting['localSegments']
  readonly statistics: Statistics
}

interface Served extends Mounted {
  readonly workers: Workers
  readonly mode: ServingMode
}

/** Resolves when the mount has ended in order. @returns whether it may still be seen */
async function serve(
  request: MountRequest,
  served: Served,
  live: (notices: readonly string[]) => void,
): Promise<boolean> {
  const { mountpoint, calls, opened, signals, choice, statistics, workers, mode } = served
  const whenServing = (action: () => void): void => mode.whenServing(action)
  const ending = new Ending({ calls, workers, statistics, whenServing })
  let control: Control | null = null
  signals.action = () => ending.ask()
  try {
    await workers.serve()
    // The first request from outside; the kernel answers it when INIT is through. It may have been unmounted by now.
    const root = await Promise.race([stat(kernelName(mountpoint)).catch(() => workers.ended), workers.ended])
    const growth = root === undefined ? null : new Growth(root.dev, { opened, mode })
    const facts = () => {
      // The client may be in another mount namespace, and changes there cause no event in this one.
      mode.follow()
      growth?.follow()
      return report(request, served, growth)
    }
    mode.watch()
    if (root !== undefined) control = openControl(root.dev, facts)
    const lines = opened.devices.map(deviceLine)
    const lossy = request.options.writebackCache ? [writebackNotice] : []
    const notices = noticesOf(opened, request.options)
    live([...notices, ...(choice.notice === null ? [] : [choice.notice]), ...lossy])
    for (const line of lines) trace('%s', line)
    logIfAlone(shownLine(`mounted on ${mountpoint}; ${lines.join('; ')}`))
    await workers.ended
    return ending.hasStopped
  } finally {
    control?.close()
    mode.release()
    signals.action = null
    ending.release()
  }
}

const writebackNotice =
  'writeback_cache: buffered writes are durable only after fsync(2), close(2) or unmounting; a power failure or a killed server loses later ones'
const startedAt = new Date().toISOString()

function report(request: MountRequest, served: Served, growth: Growth | null): DaemonReport {
  const { mountpoint, source, choice, workers, statistics, mode } = served
  const { volume, devices } = served.opened
  return {
    device: source,
    devices: devices.map(({ path }) => path),
    mountpoint,
    channel: choice.channel,
    data: request.options.data,
    mapper: request.mapper,
    isDirect: devices.every(({ domain }) => domain.isDirect),
    workers: workers.count,
    startedAt,
    mode: mode.report,
    growth: growth?.report ?? null,
    requests: statistics.requests(),
    bytesRead: statistics.bytesRead,
    bytesWritten: statistics.bytesWritten,
    usage: usageOf(volume),
    damageMet: volume.state.damageMet,
    damagedPlaces: volume.damagedPlaces,
  }
}
