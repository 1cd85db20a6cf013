// SPDX-License-Identifier: GPL-2.0-only
/**
 * The README's line of fio on each kind of device and on a file in RAM, in one guest, as a table for docs/design.md. A
 * guest is emulated, and so are its NVDIMMs: figures can be compared with each other, and not with those of a machine.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Guest } from './guest.js'
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

const names: Readonly<Record<string, string>> = {
  pmem: '`/dev/pmem0`, by `fdatasync`',
  devdax: 'devdax, by cache lines',
  daxfile: 'a file on ext4, `-o dax=always`, by cache lines',
  memmap: '`memmap=`, by `fdatasync`',
  ram: 'a file on tmpfs, by cache lines',
}
const bytesOf = 4096
const micro = (ns: number): string => (ns / 1000).toFixed(0)

function rowOf(guest: Guest, kind: string): string {
  const read = (name: string): string => readFileSync(join(guest.shared, `${name}-${kind}`), 'utf8')
  const { read: reads, write: writes } = (JSON.parse(read('fio')) as FioOutput).jobs[0]!
  const [before, after] = read('pages').trim().split('\n').map(Number) as [number, number]
  const speed = ((reads.iops + writes.iops) * bytesOf) / 1e6
  const cells = [names[kind]!, speed.toFixed(2), micro(reads.lat_ns.mean), micro(writes.lat_ns.mean)]
  return `| ${[...cells, ((after - before) / writes.total_ios).toFixed(2)].join(' | ')} |`
}

function syncLine(guest: Guest, kind: string): string | null {
  const path = join(guest.shared, `sync-${kind}`)
  if (!existsSync(path)) return null
  const { none, one, two, each } = JSON.parse(readFileSync(path, 'utf8')) as SyncCosts
  const [alone, both, apart] = [one, two, each].map((us) => us.toFixed(0))
  return `${kind}, in µs: a page stored ${none.toFixed(0)}; with one fdatasync ${alone}; two with one fdatasync ${both}, with an msync each ${apart}`
}

/** The devices are there already; it overwrites what they hold. */
export async function tellFigures(t: Test, guest: Guest, plan: Plan): Promise<void> {
  guest.boot({ ...guestSettings(plan), phases: 'fio' })
  t.equal(await guest.poweredOff(bootLimitMs(plan)), null, 'the guest powers off')
  checkTap(t, guest, ['fio'])
  t.comment('| device | MB/s | a read, µs | a write, µs | pages written for each write |')
  t.comment('| --- | --- | --- | --- | --- |')
  const measured = [...kinds, 'ram']
  for (const kind of measured) t.comment(rowOf(guest, kind))
  for (const kind of measured) {
    const line = syncLine(guest, kind)
    if (line !== null) t.comment(line)
  }
}
