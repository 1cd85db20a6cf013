// SPDX-License-Identifier: GPL-2.0-only
/** What a command was given to work on, before anything looks at it. */
import { existsSync } from 'node:fs'
import { isSameDevice } from '../pmem/lock-holder.js'
import { statOf } from '../pmem/probe.js'
import { MountError } from '../daemon/mount-error.js'
import { CommandError } from './command-error.js'

/** Of commands that take one device: names further ones of its volume, where they would not be found. */
export const deviceOption = {
  type: 'string',
  array: true,
  nargs: 1,
  requiresArg: true,
  describe: 'a further device of the volume, if it is not found by itself; may be repeated',
} as const

/**
 * @param name a path; or `UUID=…` or `LABEL=…`, also after `pmfs2:`, which keeps mount(8) from looking for it
 * @returns the path, or those of the devices that hold the volume
 * @throws CommandError where no device has it, or several volumes do
 */
export async function devicesNamed(name: string): Promise<string[]> {
  const [, tag, value] = /^(?:pmfs2:)?(UUID|LABEL)=(.+)$/s.exec(name) ?? []
  if (tag === undefined || value === undefined || existsSync(name)) return [name]
  const { findVolume } = await import('./find-volume.js')
  return findVolume(tag === 'UUID' ? 'UUID' : 'LABEL', value.replace(/^(["'])(.*)\1$/s, '$2'))
}

/**
 * The real name of a device or mount point that was given. Where the way to it leads through mounts of ours, their
 * servers have answered: calls into a mount whose server hangs never return. @throws CommandError
 */
export async function reachable(path: string): Promise<string> {
  if (path === '') throw new CommandError("'': a name is needed, and this one is empty")
  const { reach } = await import('../daemon/server-state.js')
  try {
    return await reach(path)
  } catch (error) {
    throw error instanceof MountError ? new CommandError(error.message) : error
  }
}

/** A device that a command was given. */
export interface GivenDevice {
  readonly path: string
  /** It was named by its path, and not by an option, a UUID or a label. */
  readonly isNamed: boolean
}

/**
 * @param operands names as of {@link devicesNamed} @param further those of options
 * @throws CommandError as {@link devicesNamed} does
 */
export async function devicesGiven(
  operands: readonly string[],
  further: readonly string[] = [],
): Promise<GivenDevice[]> {
  const given: GivenDevice[] = []
  for (const [n, name] of [...operands, ...further].entries())
    for (const path of await devicesNamed(name))
      given.push({ path, isNamed: n < operands.length && path === name })
  return given
}

/**
 * Each device once, but for those that were named twice: opening the volume refuses these. An option, a UUID or a label
 * may mean a device that is there already.
 * @param given each of them {@link reachable}
 */
export function onceEach(given: readonly GivenDevice[]): string[] {
  const found = given.map((device) => ({ ...device, stats: statOf(device.path) }))
  const kept = found.filter(({ isNamed, stats }, n) => {
    if (isNamed || stats === null) return true
    const isSame = (other: (typeof found)[number]) => other.stats !== null && isSameDevice(other.stats, stats)
    return !found.some((other, m) => (other.isNamed || m < n) && isSame(other))
  })
  return kept.map(({ path }) => path)
}
