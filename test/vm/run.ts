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
import { allSuites } from '../posix/run-suites.js'
import { Random, seed as newSeed } from '../support/random.js'
import { bootFiles, fetchBootParts } from './boot-files.js'
import { Guest } from './guest.js'
import { packageWithoutSync } from './mutant.js'
import { cutPower, losesPower } from './power-cuts.js'
import { type Plan, bootLimitMs, checkTap, guestSettings, kinds } from './plan.js'
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
const usage =
  'npm run test:vm -- [--fetch | [--short] [--kills N] [--seed N] [--part walk|suites|cuts|mutant]...]'
const parts = ['walk', 'suites', 'cuts', 'mutant'] as const

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
  // The suites take many minutes where the guest is emulated.
  const usual = values.short ? ['walk', 'cuts'] : parts
  const chosen = values.part ?? usual
  for (const part of chosen) if (!parts.some((name) => name === part)) throw new TypeError(`--part ${part}`)
  const kills = Number(values.kills ?? (values.short ? 2 : 50))
  if (!Number.isInteger(kills) || kills < 1)
    throw new TypeError(`--kills ${kills}: a number from 1 on is needed`)
  return { isShort: values.short, kills, seed: Number(values.seed), parts: new Set(chosen) }
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

/** Suites of each kind, by their places among all: all of them, or one. */
function suitesOf(plan: Plan): string[][] {
  const places = allSuites.map((_, n) => String(n))
  if (!plan.isShort) return kinds.map(() => places)
  const random = new Random(plan.seed)
  return kinds.map(() => [random.of(places)])
}

/** What the first boot does before its power is cut. */
function prepare(guest: Guest, plan: Plan): string[] {
  const lines = walkThrough(plan.isShort).map((line) => `${line}\n`)
  writeFileSync(join(guest.shared, 'walk-through'), lines.join(''))
  const suites = suitesOf(plan).map((places, n) => `[${kinds[n]}]='${places.join(' ')}'`)
  writeFileSync(join(guest.shared, 'suites'), `declare -A suites=(${suites.join(' ')})\n`)
  return firstPhases(plan)
}

function firstPhases({ isShort, parts }: Plan): string[] {
  // Whatever comes next begins with volumes.
  const phases = ['devices', parts.has('walk') ? 'walk' : 'make']
  // In the short form they stay mounted, as mounting takes most of the time.
  let isMounted = parts.has('walk') && isShort
  if (parts.has('walk') && !isShort) phases.push('offline')
  if (parts.has('suites')) {
    if (isMounted) phases.push('unmount')
    phases.push('suites')
    isMounted = false
  }
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
  if (plan.parts.has('mutant'))
    await tap.test('without fdatasync', async (t) => {
      await losesPower(t, guest, plan, await packageWithoutSync(folder), ['pmem', 'memmap'])
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
