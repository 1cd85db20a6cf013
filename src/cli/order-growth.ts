// SPDX-License-Identifier: GPL-2.0-only
/** Has the server of a mount make its volume larger, and waits until it has. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Grown } from '../api/device-growth.js'
import type { HeardReport } from '../daemon/daemon-report.js'
import { exitPermission } from '../daemon/mount-error.js'
import { type MountEntry, deviceNumber, ownerOf, placesOf } from '../daemon/mount-table.js'
import type { GrowthReport } from '../daemon/growth.js'
import { type GrowOrder, withOrder } from '../daemon/orders.js'
import { type ServerState, complaintOf, serverState } from '../daemon/server-state.js'
import { CommandError, failureOf } from './command-error.js'
import { type Checkpoint, Interrupted } from './interruption.js'

/** A long call, or the bitmap that another order needs on a slow disk, may hold the server up. */
const patienceMs = 120_000
/** A server that has just mounted listens in a moment; one in another network namespace never does here. */
const startMs = 3000
const stepMs = 20

const unmounted = 'it has been unmounted meanwhile'

/** Whom to ask. */
export interface AskedMount {
  readonly mount: MountEntry
  /** As the volume was named. */
  readonly name: string
  /** Ends the waiting by throwing. */
  readonly checkpoint: Checkpoint
}

/** Something has failed, and the volume may be the larger one. */
export class UncertainGrowth extends CommandError {
  /** @param name of the volume @param cause what has failed @param rest of the line about it */
  constructor(name: string, cause: unknown, rest = '') {
    const failure = cause instanceof CommandError ? cause.message : failureOf(name, cause)
    const line = failure ?? `${name}: ${messageOf(cause)}`
    const isOfDefect = failure === null && !(cause instanceof Interrupted)
    super(`${line}; the file system may have grown${rest}`, null, { cause, isOfDefect })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** What the server says, where it can grow its volume. @throws CommandError */
export async function growingServer(asked: AskedMount): Promise<HeardReport> {
  const { mount, name } = asked
  const report = await untilSaid(asked, (report) => report)
  const uid = process.geteuid!()
  const owner = ownerOf(mount)
  if (uid !== 0 && uid !== owner)
    throw new CommandError(`${name}: only root, and who has mounted it, may make it larger`, exitPermission)
  if (report.channel === 'fuse-native')
    throw new CommandError(
      `${name}: it is served through fuse-native, where it cannot grow while mounted; unmount it, and grow it then`,
    )
  if (report.mode.readOnly)
    throw new CommandError(`${name}: it is mounted read-only; mount -o remount,rw changes that`)
  return report
}

/**
 * @param limitMs how long the server may take before it has fetched the order; what it does then takes its time
 * @returns by how much it has grown; null where there was nothing to grow by
 * @throws UncertainGrowth, whatever has failed; another error where the volume is as it was
 */
export async function orderGrowth(
  asked: AskedMount,
  order: GrowOrder,
  limitMs = patienceMs,
): Promise<Grown | null> {
  const { mount, name } = asked
  let isFetched = (): boolean => false
  const wait = (given: string, hasBeenFetched: () => boolean): Promise<GrowthReport> => {
    isFetched = hasBeenFetched
    const find = ({ growths }: HeardReport) => growths.find(({ order }) => order === given)
    return untilSaid(asked, find, { limitMs, isUnderWay: isFetched })
  }
  const answer = withOrder(deviceNumber(mount.device), order, wait)
  const { refusal, isUncertain, grown } = await answer.catch((error: unknown) => {
    // By now, nobody can fetch it any more.
    if (isFetched()) throw new UncertainGrowth(name, error)
    throw error instanceof CommandError ? new CommandError(`${error.message}; nothing has changed`) : error
  })
  if (refusal === null) return grown
  const failure = new CommandError(`${name}: ${refusal}`)
  throw isUncertain ? new UncertainGrowth(name, failure) : failure
}

interface Patience {
  readonly limitMs: number
  /** Whether the server may work on what is waited for: while it lives, there is no limit then. */
  readonly isUnderWay: () => boolean
}

const usualPatience: Patience = { limitMs: patienceMs, isUnderWay: () => false }

/**
 * Asks the server until it says what is looked for. One that maps and formats a large gain answers nobody meanwhile.
 * @throws CommandError where it is dead or stopped, cannot be heard here, or that takes too long
 */
async function untilSaid<Said>(
  { mount, name, checkpoint }: AskedMount,
  find: (report: HeardReport) => Said | undefined,
  patience = usualPatience,
): Promise<Said> {
  let start = performance.now()
  for (;;) {
    const server = await serverState(mount)
    if (server.state === 'answers') {
      const { report } = server
      // The kernel gives the number of a mount that is gone to the next.
      if (report.device !== mount.source) throw new CommandError(`${name}: ${unmounted}`)
      const said = find(report)
      if (said !== undefined) return said
    }
    const listens = server.state !== 'silent' || server.listens
    const isPatient = listens && patience.isUnderWay()
    if (isPatient) start = performance.now()
    const isGone = server.state === 'dead' || (server.state === 'silent' && server.isStopped)
    const limitMs = listens ? patience.limitMs : startMs
    const isOver = !isPatient && performance.now() > start + limitMs
    if (isGone || isOver) throw new CommandError(`${name}: ${whyUnsaid(mount, server)}`)
    await sleep(stepMs)
    await checkpoint()
  }
}

/** Why nothing was said, and what to do. */
function whyUnsaid(mount: MountEntry, server: ServerState): string {
  if (placesOf(mount).length === 0) return unmounted
  return complaintOf(server) ?? 'its server has not begun to grow it'
}
