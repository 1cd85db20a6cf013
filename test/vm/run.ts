// SPDX-License-Identifier: GPL-2.0-only
/**
 * `npm run test:vm`: PMFS2 on the devices that Linux makes of persistent memory, in a guest; guest/devices.sh has the
 * kinds. On each of them the README's commands and the POSIX suite run, then the power is cut again and again under
 * load (power-cuts.ts). TAP goes to stdout.
 */
import { accessSync, constants, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { parseArgs } from 'node:util'
import tap, { type Test } from 'tap'
import { allSuites, quickSuites } from '../posix/run-suites.js'
import { seed as newSeed } from '../support/random.js'
import { bootFiles, fetchBootParts } from './boot-files.js'
import { Guest } from './guest.js'
import { tellFigures } from './figures.js'
import { lookFromHost } from './host-look.js'
import { defectNamed, losers, packageWith } from './mutant.js'
import { cutOnce, cutPower, losesPower } from './power-cuts.js'
import { cutGrowth } from './power-grow.js'
import { type Plan, allVolumes, bootLimitMs, checkTap, guestSettings, kinds } from './plan.js'
import { sweptFolder } from './sweep.js'
import { walkThrough } from './walk-through.js'

/** Programs, and the Debian packages that have them. */
const needed: Readonly<Record<string, string>> = {
  'qemu-system-x86_64': 'qemu-system-x86',
  'apt-get': 'apt',
  'mkfs.ext4': 'e2fsprogs',
  ndctl: 'ndctl',
  bsdtar: 'libarchive-tools',
  fio: 'fio',
  python3: 'python3',
}
/**
 * Parts that boot the guest by themselves, after those of its first boot. Its devices are there by then, and each part
 * makes the volumes that it needs.
 */
const ownParts: Readonly<
  Record<string, (t: Test, guest: Guest, plan: Plan, folder: string) => Promise<void>>
> = { grow: cutGrowth, eadr: meetDurableCaches, bad: meetBadBlocks, mutants: tryMutants, fio: tellFigures }
const parts = ['walk', 'suites', 'cuts', ...Object.keys(ownParts)]
/** Those of a run that names none. Figures are for people. */
const usualParts = { full: parts.filter((part) => part !== 'fio'), short: ['walk', 'suites', 'cuts'] }
const usage = `npm run test:vm -- [--fetch | [--short] [--kills N] [--seed N] [--part ${parts.join('|')}]...]`

/** @returns null for `--fetch` alone @throws TypeError for a bad option */
function readPlan(): Plan | null {
  const { values } = parseArgs({
    options: {
      fetch: { type: 'boolean', default: false },
      short: { type: 'boolean', default: false },
      kills: { type: 'string' },
      seed: { type: 'string', default: String(newSeed) },
      part: { type: 'string', multiple: true },
    },
  })
  if (values.fetch) {
    if (process.argv.length > 3) throw new TypeError('--fetch stands alone')
    return null
  }
  const chosen = values.part ?? usualParts[values.short ? 'short' : 'full']
  for (const part of chosen) if (!parts.includes(part)) throw new TypeError(`--part ${part}`)
  const kills = Number(values.kills ?? (values.short ? 2 : 50))
  if (!Number.isInteger(kills) || kills < 1)
    throw new TypeError(`--kills ${kills}: a number from 1 on is needed`)
  const seed = Number(values.seed)
  if (!Number.isInteger(seed)) throw new TypeError(`--seed ${values.seed}: a whole number is needed`)
  const isShort = values.short
  return { isShort, kills, seed, parts: new Set(chosen), volumes: isShort ? kinds : allVolumes }
}

/** Why no guest can be had here; null where one can. */
function obstacle(): string | null {
  if (process.arch !== 'x64') return 'the guest is an x86-64 machine, and has the programs of its host'
  // The host mounts the images itself.
  if (process.geteuid?.() !== 0 || !existsSync('/dev/loop-control')) return 'it takes root, and loop devices'
  const missing = missingPackages()
  return missing.length === 0 ? null : `Debian packages are missing: apt-get install ${missing.join(' ')}`
}

function missingPackages(): string[] {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  const isThere = (program: string): boolean =>
    folders.some((folder) => {
      try {
        accessSync(join(folder, program), constants.X_OK)
        return true
      } catch {
        return false
      }
    })
  return Object.entries(needed)
    .filter(([program]) => !isThere(program))
    .map(([, name]) => name)
}

/** Suites of each volume, by their places among all: all of them, or in the short form a few, dealt out by the seed. */
function suitesOf({ isShort, seed, volumes }: Plan): string[][] {
  const suites = isShort ? quickSuites : allSuites
  const places = suites.map((suite) => String(allSuites.indexOf(suite)))
  if (!isShort) return volumes.map(() => places)
  return volumes.map((_, volume) => places.filter((_, n) => (n + seed) % volumes.length === volume))
}

/** What the first boot does before its power is cut. */
function prepare(guest: Guest, plan: Plan): string[] {
  const lines = walkThrough(plan.isShort).map((line) => `${line}\n`)
  writeFileSync(join(guest.shared, 'walk-through'), lines.join(''))
  const suites = suitesOf(plan).map((places, n) => `[${plan.volumes[n]}]='${places.join(' ')}'`)
  writeFileSync(join(guest.shared, 'suites'), `declare -A suites=(${suites.join(' ')})\n`)
  return firstPhases(plan)
}

function firstPhases({ isShort, parts }: Plan): string[] {
  const phases = ['devices']
  if (parts.has('walk')) phases.push('walk')
  // Otherwise the suites make volumes in the full form only.
  else if (parts.has('cuts') || (parts.has('suites') && isShort)) phases.push('make')
  // In the short form they stay mounted, as mounting takes most of the time.
  let isMounted = parts.has('walk') && isShort
  if (parts.has('walk') && !isShort) phases.push('offline')
  if (parts.has('suites') && isShort) {
    phases.push(...(isMounted ? [] : ['mount']), 'posix')
    isMounted = true
  } else if (parts.has('suites')) phases.push('suites')
  if (parts.has('cuts') && !isShort) phases.push('two')
  if (parts.has('cuts') && !isMounted) phases.push('mount')
  return phases
}

async function bootOnce(t: Test, guest: Guest, plan: Plan, phases: readonly string[]): Promise<void> {
  guest.boot({ ...guestSettings(plan), phases: phases.join(' ') })
  t.equal(await guest.poweredOff(bootLimitMs(plan)), null, 'the guest powers off')
  checkTap(t, guest, phases)
}

async function main(plan: Plan): Promise<void> {
  tap.setTimeout(24 * 3_600_000)
  tap.comment(`seed ${plan.seed}`)
  const folder = await sweptFolder(tap)
  const files = await bootFiles(folder)
  const machine = join(folder, 'machine')
  mkdirSync(machine)
  const guest = new Guest(files, machine)
  tap.teardown(() => guest.kill())
  const phases = prepare(guest, plan)
  if (plan.parts.has('cuts')) await cutPower(tap, guest, plan, phases)
  else await tap.test('devices', (t) => bootOnce(t, guest, plan, phases))
  for (const [name, run] of Object.entries(ownParts))
    if (plan.parts.has(name)) await tap.test(name, (t) => run(t, guest, plan, folder))
}

/** One that no other part has. */
const eadrRound = 20_000

/** What needs no flush then (guest/phases/eadr.sh) loses nothing without power, as the rest does. */
async function meetDurableCaches(t: Test, guest: Guest, whole: Plan): Promise<void> {
  const plan: Plan = { ...whole, volumes: allVolumes }
  const before = ['make', 'eadr', 'mount']
  await cutOnce(t, guest, plan, { round: eadrRound, before, judged: [], persistence: 'cpu' })
  await lookFromHost(t, guest, plan, [eadrRound])
}

/** The kernel's lists of bad blocks last as long as it runs, so no later part meets them. */
async function meetBadBlocks(t: Test, guest: Guest, plan: Plan): Promise<void> {
  guest.boot({ ...guestSettings(plan), phases: 'bad' })
  t.equal(await guest.poweredOff(bootLimitMs(plan)), null, 'the guest powers off')
  checkTap(t, guest, ['injector', 'bad'])
}

async function tryMutants(t: Test, guest: Guest, plan: Plan, folder: string): Promise<void> {
  for (const [defect, lost] of Object.entries(losers))
    await t.test(defect, async (t) => {
      await losesPower(t, guest, plan, await packageWith(defectNamed(defect), folder), lost)
    })
}

/** What stands in the way goes to stderr, and its last line says it all. */
function refuse(reason: string, more: readonly string[] = []): void {
  for (const line of [...more, `test:vm: ${reason}`]) console.error(line)
  process.exitCode = 2
}

/** Only fetches what a guest is booted from. */
async function fetch(): Promise<void> {
  try {
    await fetchBootParts()
  } catch (error) {
    const [first = '', ...more] = (error as Error).message.split('\n')
    refuse(`a kernel for the guest cannot be had: ${first}`, more)
  }
}

async function start(): Promise<void> {
  let plan: Plan | null
  try {
    plan = readPlan()
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    refuse(error.message, [`usage: ${usage}`])
    return
  }
  const problem = obstacle()
  if (problem !== null) refuse(problem)
  else if (plan === null) await fetch()
  else await main(plan)
}

await start()
