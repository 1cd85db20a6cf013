// SPDX-License-Identifier: GPL-2.0-only
/**
 * The volumes of a guest that has lost its power, checked, mounted and judged by the host. It takes seconds, where an
 * emulated guest takes a minute.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { packageRoot } from '../support/program.js'
import { finish, run } from '../support/run-command.js'
import type { Guest } from './guest.js'
import { type Plan, kinds, problemsOf, workers } from './plan.js'

type Kind = (typeof kinds)[number]

const limitMs = 300_000
const command = join(packageRoot, 'bin/pmfs2-fuse.js')
const script = join(packageRoot, 'test/vm/guest/power-load.py')
const images: Readonly<Record<Kind, string>> = {
  pmem: 'pmem',
  devdax: 'devdax',
  daxfile: 'fsdax',
  memmap: 'memory',
}

/** Bytes of an image. */
interface Place {
  readonly offset: number
  readonly size: number
}

/** What the guest's tell_places() has written. Its memory begins at the address 0. */
function placeOf(guest: Guest, kind: Kind): Place {
  const lines = readFileSync(join(guest.shared, 'places'), 'utf8').split('\n')
  const line = lines.find((line) => line.startsWith(`${kind} `))
  const [region, start, size] = (line ?? '').split(' ').slice(1).map(Number)
  if (region === undefined || start === undefined || size === undefined)
    throw new Error(`the guest has not told where ${kind} lies`)
  return { offset: kind === 'memmap' ? start : start - region, size }
}

/** @param folder for mounts, which go with the guest's folder @returns what holds the volume */
async function deviceOf(guest: Guest, kind: Kind, folder: string): Promise<string> {
  const { offset, size } = placeOf(guest, kind)
  const place = ['--offset', String(offset), '--sizelimit', String(size)]
  const loop = await run('losetup', ['--find', '--show', ...place, guest.image(images[kind])], limitMs)
  if (kind !== 'daxfile') return loop
  const mountpoint = join(folder, 'ext4')
  mkdirSync(mountpoint)
  await run('mount', ['-t', 'ext4', loop, mountpoint], limitMs)
  return join(mountpoint, 'volume')
}

const pmfs2 = (...args: readonly string[]) => finish(process.execPath, [command, ...args], limitMs)

async function passes(t: Test, what: string, ...args: readonly string[]): Promise<boolean> {
  const { end, output } = await pmfs2(...args)
  return t.equal(end, 0, `${what}: ${output.split('\n').at(-1)}`, { output })
}

/**
 * Leaves the volumes unmounted. The loop devices go with the guest's folder (sweep.ts).
 *
 * @param judged rounds whose operations have to be there
 */
export async function lookFromHost(
  t: Test,
  guest: Guest,
  plan: Plan,
  name: number,
  judged: readonly number[],
): Promise<void> {
  const folder = guest.image(`look-${name}`)
  mkdirSync(folder)
  const mountpoints = kinds.map((kind) => join(folder, kind))
  const devices: string[] = []
  for (const [n, kind] of kinds.entries()) {
    const device = await deviceOf(guest, kind, folder)
    devices.push(device)
    mkdirSync(mountpoints[n]!)
    await passes(t, `${kind}: fsck`, 'fsck', device)
    await passes(t, `${kind} is mounted`, device, mountpoints[n]!)
  }
  for (const round of judged) {
    const settings = [String(round), String(plan.seed), String(workers), join(guest.shared, `told-${round}`)]
    const { output: text } = await finish('python3', [script, 'judge', ...settings, ...mountpoints], limitMs)
    t.same(problemsOf({ name: '', text }), [], `what was told of before power cut ${round + 1} is there`)
  }
  for (const [n, kind] of kinds.entries()) {
    await passes(t, `${kind} is unmounted`, 'umount', mountpoints[n]!)
    await passes(t, `${kind}: fsck`, 'fsck', devices[n]!)
  }
}
