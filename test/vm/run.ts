// SPDX-License-Identifier: GPL-2.0-only
/**
 * `npm run test:vm`: PMFS2 on the devices that Linux makes of persistent memory, in a guest: see guest/devices.sh for the kinds.
 * On each of them the README's commands and the POSIX suite run, then the power is cut again and again under load
 * (power-cuts.ts). TAP goes to stdout.
 *
 *     npm run test:vm -- [--short] [--kills N] [--seed N] [--part walk|suites|cuts|mutant]...
 */
import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { parseArgs } from 'node:util'
import tap, { type Test } from 'tap'
import { allSuites } from '../posix/run-suites.js'
import { Random, seed as newSeed } from '../support/random.js'
import { temporaryDirectory, SHARED_MEMORY } from '../support/temporary.js'
import { bootFiles } from './boot-files.js'
import { Guest } from './guest.js'
import { packageWithoutMsync } from './mutant.js'
import { cutPower, losesPower } from './power-cuts.js'
import { type Plan, bootLimitMs, checkTap, guestSettings, kinds } from './plan.js'
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
/** A usual run makes each suite on one of the kinds; so many of them, as it must not take long. */
const shortSuites = 4
const parts = ['walk', 'suites', 'cuts', 'mutant'] as const

function readPlan(): Plan {
  const { values } = parseArgs({
    options: {
      short: { type: 'boolean', default: false },
      kills: { type: 'string' },
      seed: { type: 'string', default: String(newSeed) },
      part: { type: 'string', multiple: true },
    },
  })
  const usual = values.short ? parts.slice(0, 3) : parts
  return {
    isShort: values.short,
    kills: Number(values.kills ?? (values.short ? 2 : 50)),
    seed: Number(values.seed),
    parts: new Set(values.part ?? usual),
  }
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

/** Suites of each kind, by their places among all. */
function suitesOf(plan: Plan): string[][] {
  const places = allSuites.map((_, n) => String(n))
  if (!plan.isShort) return kinds.map(() => places)
  const random = new Random(plan.seed)
  return kinds.map(() => Array.from({ length: shortSuites / kinds.length }, () => random.of(places)))
}

async function tryDevices(t: Test, guest: Guest, plan: Plan): Promise<void> {
  const phases = ['devices', ...['walk', 'suites'].filter((part) => plan.parts.has(part))]
  // Every other part begins with volumes as the README makes them.
  if (!plan.parts.has('walk')) phases.push('make')
  writeFileSync(
    join(guest.shared, 'walk-through'),
    walkThrough(plan.isShort ? 2 : null)
      .map((line) => `${line}\n`)
      .join(''),
  )
  const suites = suitesOf(plan)
    .map((places, n) => `[${kinds[n]}]='${places.join(' ')}'`)
    .join(' ')
  writeFileSync(join(guest.shared, 'suites'), `declare -A suites=(${suites})\n`)
  guest.boot({ ...guestSettings(plan), phases: phases.join(' ') })
  t.equal(await guest.poweredOff(bootLimitMs), null, 'the guest powers off')
  checkTap(t, guest, phases)
}

async function main(): Promise<void> {
  const plan = readPlan()
  const missing = missingPackages()
  if (process.arch !== 'x64') throw new Error('the guest is an x86-64 machine, and has the programs of its host')
  if (missing.length > 0) throw new Error(`these Debian packages are missing: ${missing.join(' ')}`)
  tap.setTimeout(24 * 3_600_000)
  tap.comment(`seed ${plan.seed}`)
  const folder = await temporaryDirectory(tap, SHARED_MEMORY)
  const files = await bootFiles(folder)
  const machine = join(folder, 'machine')
  mkdirSync(machine)
  const guest = new Guest(files, machine)
  tap.teardown(() => guest.kill())
  await tap.test('devices', (t) => tryDevices(t, guest, plan))
  if (plan.parts.has('cuts')) await cutPower(tap, guest, plan)
  if (plan.parts.has('mutant'))
    await tap.test('without msync', async (t) => {
      await losesPower(t, guest, plan, await packageWithoutMsync(folder), ['pmem', 'memmap'])
    })
}

await main()
