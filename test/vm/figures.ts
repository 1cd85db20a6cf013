// SPDX-License-Identifier: GPL-2.0-only
/**
 * The README's line of fio on each kind of device and on a file in RAM, in one guest, as a table for docs/design.md. A
 * guest is emulated, and so are its NVDIMMs: figures can be compared with each other, and not with those of a machine.
 * Beside that, what `/dev/pmem0` takes where each range is synced by itself, in boots that take turns with ones of the
 * program as it is.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { median } from '../../bench/statistics.js'
import type { Guest } from './guest.js'
import { type Change, packageWith } from './mutant.js'
import { type Plan, bootLimitMs, checkTap, guestSettings, kinds } from './plan.js'

interface Direction {
  readonly iops: number
  readonly total_ios: number
  readonly lat_ns: { readonly mean: number }
}

/** What fio prints as JSON, of one group. */
interface FioOutput {
  readonly jobs: readonly { readonly read: Direction; readonly write: Direction }[]
}

/** As guest/sync-costs.py prints it, in microseconds. */
interface SyncCosts {
  readonly none: number
  readonly one: number
  readonly two: number
  readonly each: number
}

/** As guest/write-steps.py prints it: medians in microseconds, and means of counts. */
interface WriteSteps {
  readonly writes: number
  readonly whole: number
  readonly sync: number
  readonly fault: number
  readonly rest: number
  readonly faults: number
  readonly interrupts: number
}

const names: Readonly<Record<string, string>> = {
  pmem: '`/dev/pmem0`, by `fdatasync`',
  devdax: 'devdax, by cache lines',
  daxfile: 'a file on ext4, `-o dax=always`, by cache lines',
  memmap: '`memmap=`, by `fdatasync`',
  ram: 'a file on tmpfs, by cache lines',
}

/** The fence waits for nothing then: what precedes it is durable. */
const syncEachRange: Change = {
  name: 'each range is synced by itself',
  file: 'src/native/persist.c',
  text: '\t\tsync_later(persister, place->backing);\n}',
  by: `\t{
		int msync(void *address, size_t length, int flags);
		uintptr_t page = (uintptr_t)place->address & ~(uintptr_t)4095;

		msync((void *)page, (uintptr_t)place->address + length - page, 4 /* MS_SYNC */);
	}
	(void)sync_later;
}`,
}

const bytesOf = 4096
/** Boots of the program as it is, and as many of the other way to sync. */
const turns = 3

/** MB/s, microseconds of a read and of a write, and pages written for each write. */
type Speeds = readonly [number, number, number, number]
const digits = [2, 0, 0, 2]

function speedsOf(guest: Guest, kind: string): Speeds {
  const read = (name: string): string => readFileSync(join(guest.shared, `${name}-${kind}`), 'utf8')
  const { read: reads, write: writes } = (JSON.parse(read('fio')) as FioOutput).jobs[0]!
  const [before, after] = read('pages').trim().split('\n').map(Number) as [number, number]
  return [
    ((reads.iops + writes.iops) * bytesOf) / 1e6,
    reads.lat_ns.mean / 1000,
    writes.lat_ns.mean / 1000,
    (after - before) / writes.total_ios,
  ]
}

/** @param runs of which each figure's median is shown */
function rowOf(name: string, runs: readonly Speeds[]): string {
  const cells = digits.map((count, n) => median(runs.map((speeds) => speeds[n]!)).toFixed(count))
  return `| ${[name, ...cells].join(' | ')} |`
}

function stepsRowOf(guest: Guest, kind: string): string {
  const text = readFileSync(join(guest.shared, `steps-${kind}`), 'utf8')
  const { writes, whole, sync, fault, rest, faults, interrupts } = JSON.parse(text) as WriteSteps
  const times = [whole, sync, fault, rest].map((us) => us.toFixed(0))
  const cells = [names[kind]!, ...times, faults.toFixed(2), interrupts.toFixed(2), writes]
  return `| ${cells.join(' | ')} |`
}

function syncLine(guest: Guest, kind: string): string | null {
  const path = join(guest.shared, `sync-${kind}`)
  if (!existsSync(path)) return null
  const { none, one, two, each } = JSON.parse(readFileSync(path, 'utf8')) as SyncCosts
  const [alone, both, apart] = [one, two, each].map((us) => us.toFixed(0))
  return `${kind}, in µs: a page stored ${none.toFixed(0)}; with one fdatasync ${alone}; two with one fdatasync ${both}, with an msync each ${apart}`
}

/** Boots for these rows. */
async function measure(
  t: Test,
  guest: Guest,
  plan: Plan,
  measured: readonly string[],
  packageFolder?: string,
): Promise<void> {
  guest.boot({ ...guestSettings(plan, packageFolder), phases: 'fio', measured: measured.join(' ') })
  t.equal(await guest.poweredOff(bootLimitMs(plan)), null, 'the guest powers off')
  checkTap(t, guest, ['fio'])
}

/** The devices are there already; it overwrites what they hold. */
export async function tellFigures(t: Test, guest: Guest, plan: Plan, folder: string): Promise<void> {
  const all = [...kinds, 'ram']
  await measure(t, guest, plan, all)
  const rows = all.map((kind) => rowOf(names[kind]!, [speedsOf(guest, kind)]))
  const steps = all.map((kind) => stepsRowOf(guest, kind))
  const lines = all.flatMap((kind) => syncLine(guest, kind) ?? [])
  const inTurn: { readonly once: Speeds[]; readonly each: Speeds[] } = { once: [], each: [] }
  const otherPackage = await packageWith(syncEachRange, folder)
  for (let turn = 0; turn < turns; turn++) {
    await measure(t, guest, plan, ['pmem'])
    inTurn.once.push(speedsOf(guest, 'pmem'))
    await measure(t, guest, plan, ['pmem'], otherPackage)
    inTurn.each.push(speedsOf(guest, 'pmem'))
  }
  const other = [
    rowOf('one `fdatasync` for a fence', inTurn.once),
    rowOf('an `msync` of each range', inTurn.each),
  ]
  for (const table of [rows, other]) {
    t.comment('| device | MB/s | a read, µs | a write, µs | pages written for each write |')
    t.comment('| --- | --- | --- | --- | --- |')
    for (const row of table) t.comment(row)
  }
  t.comment(
    '| device | from reading a write to its reply, µs | fdatasync | page faults | the rest | page faults, count | TLB flushes of other processors | writes |',
  )
  t.comment('| --- | --- | --- | --- | --- | --- | --- | --- |')
  for (const line of [...steps, ...lines]) t.comment(line)
}
