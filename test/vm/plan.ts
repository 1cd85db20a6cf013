// SPDX-License-Identifier: GPL-2.0-only
/** What a run does, and what its parts share. */
import type { Test } from 'tap'
import { flawOf, tally } from '../../scripts/tap-tally.js'
import { packageRoot } from '../support/program.js'
import type { Guest, Settings, TapFile } from './guest.js'

/** Kinds of devices, as guest/devices.sh has them. */
export const kinds = ['pmem', 'devdax', 'daxfile', 'memmap'] as const
/** One on a device of each kind, and the one on two devices. */
export const allVolumes = [...kinds, 'two'] as const
export type Volume = (typeof allVolumes)[number]

export interface Plan {
  readonly isShort: boolean
  /** How often the power is cut under load. */
  readonly kills: number
  readonly seed: number
  readonly parts: ReadonlySet<string>
  /** What is under load when the power is cut. */
  readonly volumes: readonly Volume[]
}

/** Processes that change files, on each device. */
export const workers = 3

/** How long a boot may take. Emulated, a whole suite takes many minutes. */
export function bootLimitMs(plan: Plan): number {
  return plan.isShort ? 1_800_000 : 3 * 3_600_000
}

export function guestSettings(plan: Plan, packageFolder = packageRoot): Settings {
  return {
    package: packageFolder,
    sources: packageRoot,
    node: process.execPath,
    kinds: kinds.join(' '),
    volumes: plan.volumes.join(' '),
    seed: plan.seed,
    workers,
  }
}

/** Why a TAP file does not pass, in lines; empty if it does. */
export function problemsOf({ text }: TapFile): string[] {
  const flaw = flawOf(text)
  const { total, fail } = tally(text)
  if (flaw === null && fail === 0 && total > 0) return []
  const noPoint = total === 0 ? ['it has no test point'] : []
  return [...(flaw === null ? [] : [flaw]), ...noPoint, ...failuresIn(text)]
}

/** Each phase has written at least one TAP file, and all of those are whole and pass. */
export function checkTap(t: Test, guest: Guest, phases: readonly string[]): void {
  const files = guest.tapFiles().filter(({ name }) => phases.includes(phaseOf(name)))
  const lacking = phases.filter((phase) => !files.some(({ name }) => phaseOf(name) === phase))
  let passed = t.same(lacking, [], 'each phase has run')
  for (const file of files) {
    const problems = problemsOf(file)
    passed = t.same(problems, [], `${file.name}: ${tally(file.text).total} points`) && passed
    for (const [, figures] of file.text.matchAll(/^# figures: (.*)$/gm)) t.comment(`${file.name}: ${figures}`)
  }
  if (!passed) for (const line of guest.console.split('\n').slice(-40)) t.comment(line)
}

/** The same of a phase that the power was cut in: its files have no plan, and nothing has failed by then. */
export function checkCutOff(t: Test, guest: Guest, phase: string): void {
  const files = guest.tapFiles().filter(({ name }) => phaseOf(name) === phase)
  t.not(files.length, 0, `${phase} has begun`)
  for (const { name, text } of files) t.same(failuresIn(text), [], `${name}: nothing has failed`)
}

function failuresIn(text: string): string[] {
  const lines = text.split('\n')
  return lines.flatMap((line, n) => (/^ *not ok/.test(line) ? lines.slice(n, n + 12) : []))
}

/** Names are as `02-walk-pmem`. */
function phaseOf(name: string): string {
  return name.split('-')[1] ?? ''
}
