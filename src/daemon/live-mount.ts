// SPDX-License-Identifier: GPL-2.0-only
/**
 * A mount from the moment when it is served until it ends, whatever serves it: the control socket answers, signals end
 * it, and those who wait for it are told what it is.
 */
import { stat } from 'node:fs/promises'
import debug from 'debug'
import type { OpenedVolume } from '../api/opened-volume.js'
import { shownLine } from '../check/name-text.js'
import { kernelName } from '../native/file-name.js'
import { deviceLines } from '../pmem/device.js'
import type { MapperName } from '../pmem/mapper.js'
import { logIfAlone } from './background.js'
import { openControl } from './control.js'
import { type DaemonReport, usageOf } from './daemon-report.js'
import { Ending, type EndingParts } from './ending.js'
import type { EndingSignals } from './ending-signals.js'
import type { MountOptions } from './mount-options.js'
import type { MountIdentity } from './mount-table.js'

const trace = debug('pmfs2:daemon')

/** What is known of any mount. */
export interface LiveMount extends Pick<EndingParts, 'calls' | 'statistics'> {
  readonly mountpoint: string
  /** Null where the mount was gone at once. */
  readonly identity: MountIdentity | null
  readonly options: MountOptions
  readonly mapper: MapperName
  readonly opened: OpenedVolume
  readonly signals: EndingSignals
}

/** What serves it. */
export interface LiveParts extends Pick<EndingParts, 'whenServing'> {
  readonly server: EndingParts['workers'] & { readonly ended: Promise<void> }
  /** Makes it serve. */
  readonly start: () => Promise<void>
  /** @returns what reports on the mount each time that somebody asks */
  readonly begin: (mount: MountIdentity) => () => DaemonReport
  /** Programs can use the mount. */
  readonly live: () => void
}

/** Resolves when the mount has ended in order. @returns whether it may still be seen */
export async function untilEnded(
  { mountpoint, identity, options, opened, calls, signals, statistics }: LiveMount,
  { server, start, whenServing, begin, live }: LiveParts,
): Promise<boolean> {
  const ending = new Ending({ calls, workers: server, statistics, whenServing })
  signals.action = () => ending.ask()
  let fallSilent = (): void => undefined
  try {
    await start()
    // The first request from outside; the kernel answers it when INIT is through. It may have been unmounted by now.
    const root = await Promise.race([stat(kernelName(mountpoint)).catch(() => server.ended), server.ended])
    if (root !== undefined && identity !== null) {
      const control = openControl(identity, begin(identity))
      fallSilent = () => control.fallSilent()
    }
    const lines = deviceLines(opened.devices, options.writebackCache)
    live()
    for (const line of lines) trace('%s', line)
    logIfAlone(...[`mounted on ${mountpoint}`, ...lines].map(shownLine))
    await server.ended
    return ending.hasStopped
  } finally {
    fallSilent()
    signals.action = null
    ending.release()
  }
}

/**
 * What becomes of a mount that has failed, once /dev/fuse is closed: one that programs know stays, or they would go on
 * writing into the directory below it. Others are taken away.
 * @param isLive programs know it
 * @returns where it stays; null where it does not
 */
export function takeAwayFailed(
  { calls, signals }: Pick<LiveMount, 'calls' | 'signals'>,
  isLive: boolean,
): string | null {
  const isTakenAway = !isLive || signals.came
  if (isTakenAway && calls.detach().length > 0) calls.detachLazily()
  return calls.places[0] ?? null
}

const startedAt = new Date().toISOString()

/** What the report of any mount says of its volume. */
export function volumeReport({ mountpoint, options, mapper, opened, statistics }: LiveMount) {
  const { volume, devices } = opened
  return {
    device: devices[0]!.path,
    devices: devices.map(({ path }) => path),
    places: devices.map(({ identity, isDeleted }) => ({ identity, isDeleted })),
    mountpoint,
    data: options.data,
    mapper,
    isDirect: devices.every(({ domain }) => domain.isDirect),
    startedAt,
    requests: statistics.requests(),
    bytesRead: statistics.bytesRead,
    bytesWritten: statistics.bytesWritten,
    usage: usageOf(volume),
    damageMet: volume.state.damageMet,
    damagedPlaces: volume.damagedPlaces,
    badBlocks: opened.badBlocks,
  }
}
