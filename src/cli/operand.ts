// SPDX-License-Identifier: GPL-2.0-only
/** What a command was given to work on, before anything looks at it. */
import { existsSync } from 'node:fs'
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
