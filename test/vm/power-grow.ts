// SPDX-License-Identifier: GPL-2.0-only
/**
 * Cuts the power while a volume grows by a second device of another kind, under load or unmounted. Afterwards the
 * volume has one device or both, and both if `grow` had ended; in either case fsck finds nothing, and what was
 * acknowledged to the host is there.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { Random } from '../support/random.js'
import type { Guest } from './guest.js'
import { deviceCount, lookFromHost } from './host-look.js'
import { Watch } from './places.js'
import { type Plan, bootLimitMs, checkCutOff, checkTap, guestSettings } from './plan.js'
import { makeTold } from './power-cuts.js'
import { goesOn, toldOf } from './progress.js'

/**
 * Where growing first stores, and how long to wait at most from then on: the second device is prepared long before the
 * superblock of the first one takes it in, which nothing else changes meanwhile.
 */
const moments = [
  { place: 'second', lengthBytes: 2 ** 21, longestMs: 3000 },
  { place: 'first', lengthBytes: 2 * 4096, longestMs: 100 },
  // Before the end of the growth, however fast the guest is.
  { place: 'second', lengthBytes: 2 ** 21, longestMs: 1 },
] as const
/** So many cuts under load, one cut while the volume grows. */
const share = 10
/** Phases of the guest, of which the last one waits for the order to grow. */
const ways = [
  { phases: ['alone', 'mount', 'grow_in_use'], operations: '' },
  { phases: ['alone', 'mount', 'load', 'unmount', 'grow'], operations: 50 },
] as const
/** Numbers of rounds that no other part has. */
const firstRound = 10_000

/** What a cut has met. */
interface Cut {
  readonly isUnderWay: boolean
  readonly devices: number
}

async function cutOnce(t: Test, guest: Guest, plan: Plan, cut: number): Promise<Cut> {
  const round = firstRound + cut
  const { place, lengthBytes, longestMs } = moments[cut % moments.length]!
  const { phases, operations } = ways[Math.floor(cut / moments.length) % ways.length]!
  const last = phases.at(-1)!
  const inGuest = (name: string): string => join(guest.shared, name)
  const [order, end, log] = [inGuest('grow'), inGuest('grown'), inGuest('grow.log')]
  for (const path of [order, end, log]) rmSync(path, { force: true })
  makeTold(guest, plan, round)
  guest.boot({ ...guestSettings(plan), phases: phases.join(' '), round, operations })
  const isLoaded = await guest.reaches(
    () => !guest.isRunning || (guest.isIn(last) && toldOf(guest, round).every((count) => count > 0)),
    bootLimitMs(plan),
  )
  const watch = new Watch(guest, place, 0, lengthBytes)
  writeFileSync(order, '')
  const isReached = await guest.reaches(
    () => !guest.isRunning || watch.hasChanged() || existsSync(end),
    bootLimitMs(plan),
    5,
  )
  watch.close()
  await sleep(new Random(plan.seed + round).below(longestMs))
  const isOver = existsSync(end)
  const isInUse = last === 'grow_in_use'
  if (isOver && isInUse)
    t.ok(await goesOn(guest, round, toldOf(guest, round)), 'each process goes on after the growth')
  t.ok(
    isLoaded && isReached && guest.isRunning,
    `the power is cut, ${toldOf(guest, round).join(' ')} operations`,
  )
  await guest.kill()
  t.comment(`${last} ${isOver ? 'had ended' : 'was under way'}, at a store to the ${place} device`)
  checkTap(t, guest, phases.slice(0, -1))
  if (isInUse) checkCutOff(t, guest, 'load')
  if (isOver) t.equal(readFileSync(end, 'utf8').trim(), '0', `grow: ${readFileSync(log, 'utf8').trim()}`)
  let devices = 0
  await t.test('devices', async (t) => {
    devices = await deviceCount(t, guest, 'two')
    if (isOver) t.equal(devices, 2, 'grow had ended, so the volume has both')
  })
  await lookFromHost(t, guest, plan, [round])
  return { isUnderWay: !isOver, devices }
}

/** The devices are there already. */
export async function cutGrowth(t: Test, guest: Guest, whole: Plan): Promise<void> {
  const plan: Plan = { ...whole, volumes: ['two'] }
  const cuts = Math.max(moments.length * ways.length, Math.floor(plan.kills / share))
  const met: Cut[] = []
  for (let cut = 0; cut < cuts; cut++)
    await t.test(`power cut ${cut + 1} while a volume grows`, async (t) => {
      met.push(await cutOnce(t, guest, plan, cut))
    })
  t.ok(
    met.some(({ isUnderWay }) => isUnderWay),
    'a cut came before the end of a growth',
  )
  t.ok(
    met.some(({ devices }) => devices === 2),
    'a volume had grown',
  )
}
