// SPDX-License-Identifier: GPL-2.0-only
/**
 * The volumes of a guest that has lost its power, checked, mounted and judged by the host. It takes seconds, where an
 * emulated guest takes a minute.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { packageRoot } from '../support/program.js'
import { finish, run } from '../support/run-command.js'
import type { Guest } from './guest.js'
import { type PlaceName, placeOf } from './places.js'
import { type Plan, type Volume, problemsOf, workers } from './plan.js'

const limitMs = 300_000
const command = join(packageRoot, 'bin/pmfs2-fuse.js')
const script = join(packageRoot, 'test/vm/guest/power-load.py')

async function loopOver(t: Test, guest: Guest, name: PlaceName): Promise<string> {
  const { image, offset, size } = placeOf(guest, name)
  const place = ['--offset', String(offset), '--sizelimit', String(size)]
  const loop = await run('losetup', ['--find', '--show', ...place, image], limitMs)
  t.teardown(() => run('losetup', ['--detach', loop], limitMs))
  return loop
}

/** @param folder for mounts @returns what holds the volume, or a part of it */
async function deviceOf(t: Test, guest: Guest, volume: Volume, folder: string): Promise<string> {
  if (volume === 'two') {
    // The second one is found, if the volume has it.
    await loopOver(t, guest, 'second')
    return loopOver(t, guest, 'first')
  }
  const loop = await loopOver(t, guest, volume)
  if (volume !== 'daxfile') return loop
  const mountpoint = join(folder, 'ext4')
  mkdirSync(mountpoint, { recursive: true })
  await run('mount', ['-t', 'ext4', loop, mountpoint], limitMs)
  t.teardown(() => run('umount', [mountpoint], limitMs))
  return join(mountpoint, 'volume')
}

const pmfs2 = (...args: readonly string[]) => finish(process.execPath, [command, ...args], limitMs)

async function passes(t: Test, what: string, ...args: readonly string[]): Promise<boolean> {
  const { end, output } = await pmfs2(...args)
  return t.equal(end, 0, `${what}: ${output.split('\n').at(-1)}`, { output })
}

/** What holds the volumes, by their names. */
async function devicesOf(
  t: Test,
  guest: Guest,
  { volumes }: Plan,
  folder: string,
): Promise<Map<Volume, string>> {
  const devices = new Map<Volume, string>()
  for (const volume of volumes) devices.set(volume, await deviceOf(t, guest, volume, folder))
  return devices
}

/** How many devices a volume has. */
export async function deviceCount(t: Test, guest: Guest, volume: Volume): Promise<number> {
  const device = await deviceOf(t, guest, volume, guest.image('look'))
  const { end, output } = await pmfs2('info', device, '--json')
  t.equal(end, 0, `${volume}: info`, { output })
  return (JSON.parse(output) as { readonly devices: readonly unknown[] }).devices.length
}

/** What fsck says of a copy of the superblock whose write was cut off. The next mount makes it anew. */
const tornCopy = /superblock .*\(block \d+\): checksum is /

/**
 * Checks the volumes, which stay as they are: transactions that were cut off are not undone, but for the check.
 * @param isMounting the power was cut while they were mounted, when one copy of the superblock may be torn
 */
export async function checkFromHost(t: Test, guest: Guest, plan: Plan, isMounting = false): Promise<void> {
  for (const [volume, device] of await devicesOf(t, guest, plan, guest.image('look'))) {
    const { end, output } = await pmfs2('fsck', device)
    const lines = output.split('\n')
    const isTorn = isMounting && end === 4 && lines.length === 2 && tornCopy.test(lines[0]!)
    t.ok(end === 0 || isTorn, `${volume}: fsck: ${lines.at(-1)!}`, { output })
  }
}

/**
 * Checks, mounts, judges and unmounts the volumes. If it is cut short, what it mounts goes with the guest's folder
 * (sweep.ts).
 *
 * @param judged rounds whose operations have to be there
 */
export async function lookFromHost(
  t: Test,
  guest: Guest,
  plan: Plan,
  judged: readonly number[],
): Promise<void> {
  const folder = guest.image('look')
  const devices = await devicesOf(t, guest, plan, folder)
  const mountpoints = [...devices.keys()].map((volume) => join(folder, volume))
  for (const [volume, device] of devices) {
    const mountpoint = join(folder, volume)
    mkdirSync(mountpoint, { recursive: true })
    await passes(t, `${volume}: fsck`, 'fsck', device)
    await passes(t, `${volume} is mounted`, device, mountpoint)
  }
  for (const round of judged) {
    const settings = [String(round), String(plan.seed), String(workers), join(guest.shared, `told-${round}`)]
    const { output: text } = await finish('python3', [script, 'judge', ...settings, ...mountpoints], limitMs)
    t.same(problemsOf({ name: '', text }), [], `what was acknowledged before power cut ${round + 1} is there`)
  }
  for (const [volume, device] of devices) {
    await passes(t, `${volume} is unmounted`, 'umount', join(folder, volume))
    await passes(t, `${volume}: fsck`, 'fsck', device)
  }
}
