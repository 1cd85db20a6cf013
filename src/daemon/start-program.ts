// SPDX-License-Identifier: GPL-2.0-only
/**
 * Starting programs on which a mount does not depend. For want of memory spawn() throws, for want of descriptors it
 * returns a process without pipes, and other failures are events. None of them ends the server.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import debug from 'debug'

const trace = debug('pmfs2:daemon')

/**
 * Listeners for the event `error` hear of a program that could not be started.
 * @returns null where there is no such event, as spawn() itself has failed
 */
export function startProgram(
  file: string,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess | null {
  try {
    const child = spawn(file, args, options)
    child.on('error', (error) => trace('%s: %s', file, error.message))
    return child
  } catch (error) {
    trace('%s: %o', file, error)
    return null
  }
}
