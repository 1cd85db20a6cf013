// SPDX-License-Identifier: GPL-2.0-only
/**
 * The README's line of fio on each kind of device and on a file in RAM, in one guest, as a table for docs/design.md. A
 * guest is emulated, and so are its NVDIMMs: figures can be compared with each other, and not with those of a machine.
 * Beside that, what `/dev/pmem0` takes where each range is synced by itself.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
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
const micro = (ns: number): string => (ns / 1000).toFixed(0)

function rowOf(guest: Guest, kind: string, name: string): string {
  const read = (name: string): string => readFileSync(join(guest.shared, `${name}-${kind}`), 'utf8')
  const { read: reads, write: writes } = (JSON.parse(read('fio')) as FioOutput).jobs[0]!
  const [before, after] = read('pages').trim().split('\n').map(Number) as [number, number]
  const speed = ((reads.iops + writes.iops) * bytesOf) / 1e6
  const cells = [name, speed.toFixed(2), micro(reads.lat_ns.mean), micro(writes.lat_ns.mean)]
  return `| ${[...cells, ((after - before) / writes.total_ios).toFixed(2)].join(' | ')} |`
}

function stepsRowOf(guest: Guest, kind: string): string {
  const text = readFileSync(join(guest.shared, `steps-${kind}`), 'utf8')
  const { writes, whole, sync, rest, faults, interrupts } = JSON.parse(text) as WriteSteps
  const times = [whole, sync, rest].map((us) => us.toFixed(0))
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
  const rows = all.map((kind) => rowOf(guest, kind, names[kind]!))
  const steps = all.map((kind) => stepsRowOf(guest, kind))
  const lines = all.flatMap((kind) => syncLine(guest, kind) ?? [])
  await measure(t, guest, plan, ['pmem'], await packageWith(syncEachRange, folder))
  rows.splice(1, 0, rowOf(guest, 'pmem', '`/dev/pmem0`, by an `msync` of each range'))
  t.comment('| device | MB/s | a read, µs | a write, µs | pages written for each write |')
  t.comment('| --- | --- | --- | --- | --- |')
  for (const row of rows) t.comment(row)
  t.comment(
    '| device | from reading a write to its reply, µs | fdatasync | the rest | page faults | TLB flushes of other processors | writes |',
  )
  t.comment('| --- | --- | --- | --- | --- | --- | --- |')
  for (const line of [...steps, ...lines]) t.comment(line)
}
