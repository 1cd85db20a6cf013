// SPDX-License-Identifier: GPL-2.0-only
/**
 * Cuts the power: a guest whose processes change files on all kinds of devices (guest/power-load.py) is killed at a
 * random moment and booted again. fsck must find nothing, and each operation that a process has told the host of must
 * be there. It tells by a store to a file of the host, before it begins the next one; until the power is cut, each has
 * to go on. In the full form there are further cuts beside those under load: while the volumes are unmounted, and while
 * they are recovered.
 */
import { closeSync, openSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { blockBytes, firstLaneBlock } from '../../layout/geometry.js'
import { flawOf } from '../../scripts/tap-tally.js'
import { Random } from '../support/random.js'
import type { Guest, Persistence } from './guest.js'
import { checkFromHost, lookFromHost } from './host-look.js'
import { Watch } from './places.js'
import { type Plan, bootLimitMs, checkCutOff, checkTap, guestSettings, kinds, workers } from './plan.js'
import { letGoOn, toldOf, wordBytes } from './progress.js'

const longestLoadMs = { short: 8000, usual: 20_000 }
/** How long to wait at most, from the first store of a recovery on. Emulated, it takes some hundredths of a second. */
const longestRecoveryMs = 100
/** In turn, from the beginning of unmounting on. Some cuts must come before its end, whether emulated or not. */
const longestUnmountMs = [50, 5000] as const
/** So many cuts under load, one cut in unmounting. */
const unmountShare = 8
/** Operations of each process before that. */
const unmountAfter = 50
/** The superblock, and the undo log of a volume of half a GiB behind it. */
const superblockBytes = firstLaneBlock * blockBytes
const logBytes = 2 ** 21 - superblockBytes
/** Kinds whose device lies in an image as it is. */
const watched = ['pmem', 'devdax', 'memmap'] as const
/** Of a device that joins others: behind its header and its copy of the superblock. */
const sharedFrom = 2 * 4096
const sharedBytes = 2 ** 25

export function makeTold(guest: Guest, plan: Plan, round: number): void {
  const path = join(guest.shared, `told-${round}`)
  closeSync(openSync(path, 'w'))
  truncateSync(path, plan.volumes.length * workers * wordBytes)
}

interface Boot {
  readonly round: number
  /** Phases after which the volumes are mounted. */
  readonly before: readonly string[]
  /** Rounds whose operations have to be there. */
  readonly judged: readonly number[]
  /** The power is cut so long at most after unmounting has begun, which follows a short load; null: under load. */
  readonly unmountingMs?: number | null
  readonly packageFolder?: string
  readonly persistence?: Persistence
}

/** `late`: the volumes had been unmounted by then. `failed`: the guest did not come so far, or had ended by itself. */
type Outcome = 'cut' | 'late' | 'failed'

const momentOf = {
  load: 'under load',
  cut: 'in unmounting',
  late: 'after unmounting',
  failed: 'in unmounting',
}

/** Boots, loads the devices and cuts the power. */
export async function cutOnce(t: Test, guest: Guest, plan: Plan, boot: Boot): Promise<Outcome> {
  const { round, before, judged, unmountingMs = null, packageFolder, persistence } = boot
  const isUnmounted = unmountingMs !== null
  const random = new Random(plan.seed + round)
  makeTold(guest, plan, round)
  const phases = [...before, ...(judged.length === 0 ? [] : ['judge'])]
  const settings = {
    phases: [...phases, 'load', ...(isUnmounted ? ['unmount'] : [])].join(' '),
    round,
    judged: judged.join(' '),
    operations: isUnmounted ? unmountAfter : '',
  }
  const start = performance.now()
  guest.boot({ ...guestSettings(plan, packageFolder), ...settings }, persistence)
  const isReached = await guest.reaches(
    () =>
      !guest.isRunning ||
      (isUnmounted ? guest.isIn('unmount') : toldOf(guest, round).every((count) => count > 0)),
    bootLimitMs(plan),
    isUnmounted ? 5 : undefined,
  )
  const seconds = Math.round((performance.now() - start) / 1000)
  const waitMs = random.below(unmountingMs ?? longestLoadMs[plan.isShort ? 'short' : 'usual'])
  const isLoaded = isReached && !isUnmounted
  if (isLoaded) t.ok(await letGoOn(guest, round, waitMs), 'each process goes on until then')
  else await sleep(waitMs)
  const wasRunning = guest.isRunning
  await guest.kill()
  const counts = toldOf(guest, round).join(' ')
  const isLate = isUnmounted && isReached && hasUnmounted(guest)
  const outcome = isLate ? 'late' : isReached && wasRunning ? 'cut' : 'failed'
  const moment = momentOf[isUnmounted ? outcome : 'load']
  t.not(outcome, 'failed', `the power is cut ${moment}, ${seconds} s after it came, and ${counts} operations`)
  if (!guest.hasStarted) t.comment('the guest has not started')
  checkTap(t, guest, [...phases, ...(isUnmounted ? ['load'] : []), ...(isLate ? ['unmount'] : [])])
  if (!isUnmounted) checkCutOff(t, guest, 'load')
  return outcome
}

/** Whether the last boot has come to the end of unmounting, after which the guest powers off. */
function hasUnmounted(guest: Guest): boolean {
  return guest.tapFiles().some(({ name, text }) => name.endsWith('-unmount') && flawOf(text) === null)
}

/**
 * Boots, and cuts the power soon after the first store of a recovery. The log changes when a transaction is undone, and
 * when opening frees orphans or mends its lists. (test/fs cuts the power at each store of a recovery.)
 */
async function cutRecovery(t: Test, guest: Guest, plan: Plan, random: Random): Promise<void> {
  const kind = random.of(watched)
  guest.boot({ ...guestSettings(plan), phases: 'mount' })
  const isMounting = await guest.reaches(() => !guest.isRunning || guest.isIn('mount'), bootLimitMs(plan))
  const superblock = new Watch(guest, kind, 0, superblockBytes)
  const log = new Watch(guest, kind, superblockBytes, logBytes)
  const isStored = await guest.reaches(
    () => !guest.isRunning || superblock.hasChanged() || log.hasChanged(),
    bootLimitMs(plan),
    5,
  )
  const isLogChanged = log.hasChanged()
  for (const watch of [superblock, log]) watch.close()
  await sleep(random.below(longestRecoveryMs))
  const what = isLogChanged ? 'the undo log' : 'the superblock'
  t.ok(
    isMounting && isStored && guest.isRunning,
    `the power is cut when ${kind} is recovered, after a store to ${what}`,
  )
  await guest.kill()
}

/** In the full form, every fourth cut is followed by one in the recovery from it. */
async function recoverInTurn(t: Test, guest: Guest, plan: Plan, round: number): Promise<void> {
  if (plan.isShort || round % 4 !== 1) return
  await t.test(`power cut in the recovery from power cut ${round + 1}`, async (t) => {
    await cutRecovery(t, guest, plan, new Random(plan.seed + 1000 + round))
    await checkFromHost(t, guest, plan, true)
  })
}

async function cutInTurn(t: Test, guest: Guest, plan: Plan, boot: Boot): Promise<Outcome> {
  let outcome: Outcome = 'failed'
  await t.test(`power cut ${boot.round + 1}`, async (t) => {
    outcome = await cutOnce(t, guest, plan, boot)
    if (outcome !== 'failed' && !plan.isShort) await checkFromHost(t, guest, plan)
  })
  return outcome
}

/** The cuts of a run, in their order: null for one under load, of which there are as many as asked for. */
function cutsOf({ kills, isShort }: Plan): (number | null)[] {
  const cuts: (number | null)[] = []
  for (let kill = 0; kill < kills; kill++) {
    cuts.push(null)
    if (isShort || kill % unmountShare !== 2) continue
    cuts.push(longestUnmountMs[Math.floor(kill / unmountShare) % longestUnmountMs.length]!)
  }
  return cuts
}

/**
 * In the short form, the host checks and judges what is left after the last cut, and nothing is checked before.
 *
 * @param first phases of the first boot, which make and mount the volumes
 */
export async function cutPower(t: Test, guest: Guest, plan: Plan, first: readonly string[]): Promise<void> {
  let second: Watch | null = null
  const cuts = cutsOf(plan)
  let cutInUnmounting = 0
  for (const [round, unmountingMs] of cuts.entries()) {
    const before = round === 0 ? first : ['mount']
    const boot = { round, before, judged: roundsBefore(round), unmountingMs }
    const outcome = await cutInTurn(t, guest, plan, boot)
    if (outcome === 'failed') return
    if (unmountingMs !== null && outcome === 'cut') cutInUnmounting++
    if (plan.volumes.includes('two')) second ??= new Watch(guest, 'second', sharedFrom, sharedBytes)
    await recoverInTurn(t, guest, plan, round)
  }
  if (plan.kills > 1 && second !== null)
    t.ok(second.hasChanged(), 'files of the volume on two devices lie on both')
  second?.close()
  const unmountings = cuts.length - plan.kills
  if (unmountings > 0)
    t.not(cutInUnmounting, 0, `of ${unmountings} cuts in unmounting, ${cutInUnmounting} came before its end`)
  const judged = roundsBefore(cuts.length)
  await t.test('after the last power cut', async (t) => {
    if (plan.isShort) {
      await lookFromHost(t, guest, plan, judged)
      return
    }
    const phases = ['fsck', 'mount', 'judge', 'unmount', 'fsck']
    guest.boot({ ...guestSettings(plan), phases: phases.join(' '), judged: judged.join(' ') })
    t.equal(await guest.poweredOff(bootLimitMs(plan)), null, 'the guest powers off')
    checkTap(t, guest, phases)
  })
}

/** The first one stays throughout, the others go in the round after the next. */
function roundsBefore(round: number): number[] {
  return [...new Set([0, round - 1])].filter((earlier) => earlier >= 0 && earlier < round)
}

/** With a program that has a defect, a power cut must lose something on these kinds of devices, and on no other. */
export async function losesPower(
  t: Test,
  guest: Guest,
  whole: Plan,
  packageFolder: string,
  losers: readonly string[],
): Promise<void> {
  const plan = { ...whole, volumes: kinds }
  guest.boot({ ...guestSettings(plan), phases: 'make' })
  t.equal(await guest.poweredOff(bootLimitMs(plan)), null, 'the volumes are made anew')
  checkTap(t, guest, ['make'])
  await cutOnce(t, guest, plan, { round: 0, before: ['mount'], judged: [], packageFolder })
  guest.boot({ ...guestSettings(plan, packageFolder), phases: 'mount judge', judged: '0' })
  t.equal(await guest.poweredOff(bootLimitMs(plan)), null, 'what is left is looked at')
  const judgement = guest.tapFiles().find(({ name }) => name.endsWith('judge-0'))?.text ?? ''
  t.equal(flawOf(judgement), null, 'all is judged')
  const points = judgement.split('\n')
  for (const kind of kinds) {
    const failures = points.filter((line) => line.startsWith('not ok') && line.includes(`/mnt/${kind}/`))
    if (losers.includes(kind)) t.not(failures.length, 0, `${kind} loses operations`)
    else t.same(failures, [], `${kind} loses nothing`)
  }
}
