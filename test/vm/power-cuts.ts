// SPDX-License-Identifier: GPL-2.0-only
/**
 * Cuts the power: a guest whose processes change files on all kinds of devices (guest/power-load.py) is killed at a
 * random moment and booted again. fsck must find nothing, and each operation that a process has told the host of must
 * be there. It tells by a store to a file of the host, before it begins the next one.
 */
import { closeSync, openSync, readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { flawOf } from '../../scripts/tap-tally.js'
import { Random } from '../support/random.js'
import type { Guest } from './guest.js'
import { lookFromHost } from './host-look.js'
import { type Plan, bootLimitMs, checkTap, guestSettings, kinds, workers } from './plan.js'

const longestLoadMs = { short: 8000, usual: 20_000 }
const wordBytes = 8

/** Numbers of operations that the host was told of, by process. */
function toldOf(guest: Guest, round: number): number[] {
  const bytes = readFileSync(join(guest.shared, `told-${round}`))
  return Array.from({ length: bytes.length / wordBytes }, (_, n) =>
    Number(bytes.readBigUInt64LE(n * wordBytes)),
  )
}

function makeTold(guest: Guest, round: number): void {
  const path = join(guest.shared, `told-${round}`)
  closeSync(openSync(path, 'w'))
  truncateSync(path, kinds.length * workers * wordBytes)
}

interface Boot {
  readonly round: number
  /** Phases after which the volumes are mounted. */
  readonly before: readonly string[]
  /** Rounds whose operations have to be there. */
  readonly judged: readonly number[]
  readonly packageFolder?: string
}

/** Boots, loads the devices and cuts the power. @returns whether it came so far */
async function cutOnce(t: Test, guest: Guest, plan: Plan, boot: Boot): Promise<boolean> {
  const { round, before, judged, packageFolder } = boot
  const random = new Random(plan.seed + round)
  makeTold(guest, round)
  const phases = [...before, ...(judged.length === 0 ? [] : ['judge'])]
  const settings = { phases: [...phases, 'load'].join(' '), round, judged: judged.join(' ') }
  const start = performance.now()
  guest.boot({ ...guestSettings(plan, packageFolder), ...settings })
  const isLoaded = await guest.reaches(
    () => !guest.isRunning || toldOf(guest, round).every((count) => count > 0),
    bootLimitMs(plan),
  )
  const seconds = Math.round((performance.now() - start) / 1000)
  await sleep(random.below(plan.isShort ? longestLoadMs.short : longestLoadMs.usual))
  const wasRunning = guest.isRunning
  await guest.kill()
  const counts = toldOf(guest, round).join(' ')
  const isCut = isLoaded && wasRunning
  t.ok(isCut, `the power is cut, ${seconds} s after it came, and ${counts} operations`)
  if (!guest.hasStarted) t.comment('the guest has not started')
  // That of the load has no plan, as the power was cut.
  checkTap(t, guest, phases)
  return isCut
}

async function cutInTurn(t: Test, guest: Guest, plan: Plan, boot: Boot): Promise<boolean> {
  let isCut = false
  await t.test(`power cut ${boot.round + 1}`, async (t) => {
    isCut = await cutOnce(t, guest, plan, boot)
  })
  return isCut
}

/** The state after the last cut, with all unmounted in the end. */
async function lookOnce(
  guest: Guest,
  plan: Plan,
  round: number,
  packageFolder?: string,
): Promise<string | null> {
  const judged = roundsBefore(round)
  const phases = 'fsck mount judge unmount fsck'
  guest.boot({ ...guestSettings(plan, packageFolder), phases, round, judged: judged.join(' ') })
  return guest.poweredOff(bootLimitMs(plan))
}

/**
 * In the short form, fsck runs after the last cut only, when the host has it to itself.
 *
 * @param first phases of the first boot, which make and mount the volumes
 */
export async function cutPower(t: Test, guest: Guest, plan: Plan, first: readonly string[]): Promise<void> {
  for (let round = 0; round < plan.kills; round++) {
    const later = plan.isShort ? ['mount'] : ['fsck', 'mount']
    const before = round === 0 ? first : later
    if (!(await cutInTurn(t, guest, plan, { round, before, judged: roundsBefore(round) }))) return
  }
  await t.test('after the last power cut', async (t) => {
    if (plan.isShort) {
      await lookFromHost(t, guest, plan, plan.kills, roundsBefore(plan.kills))
      return
    }
    t.equal(await lookOnce(guest, plan, plan.kills), null, 'the guest powers off')
    checkTap(t, guest, ['fsck', 'mount', 'judge', 'unmount'])
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
  plan: Plan,
  packageFolder: string,
  losers: readonly string[],
): Promise<void> {
  guest.boot({ ...guestSettings(plan), phases: 'make' })
  t.equal(await guest.poweredOff(bootLimitMs(plan)), null, 'the volumes are made anew')
  checkTap(t, guest, ['make'])
  await cutOnce(t, guest, plan, { round: 0, before: ['mount'], judged: [], packageFolder })
  await lookOnce(guest, plan, 1, packageFolder)
  const judgement = guest.tapFiles().find(({ name }) => name.endsWith('judge-0'))?.text ?? ''
  t.equal(flawOf(judgement), null, 'all is judged')
  const points = judgement.split('\n')
  for (const kind of kinds) {
    const failures = points.filter((line) => line.startsWith('not ok') && line.includes(`/mnt/${kind}/`))
    if (losers.includes(kind)) t.not(failures.length, 0, `${kind} loses operations`)
    else t.same(failures, [], `${kind} loses nothing`)
  }
}
