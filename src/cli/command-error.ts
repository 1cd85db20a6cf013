// SPDX-License-Identifier: GPL-2.0-only
/** What a command says when it cannot do what it was asked to: one line for people, and an exit code for scripts. */
import { BadBlockError } from '../pmem/bad-block-error.js'
import { DeviceError, adviceOn, codeOf } from '../pmem/device-error.js'
import { PmemError } from '../pmem/pmem-error.js'
import { VolumeError } from '../fs/volume-error.js'

export interface CommandErrorOptions extends ErrorOptions {
  readonly isOfDefect?: boolean
}

export class CommandError extends Error {
  override readonly name = 'CommandError'
  /** Null: what the command gives for any failure. */
  readonly exitCode: number | null
  /** Whether the cause is a defect: then the message says what that has led to, and is not all that is said. */
  readonly isOfDefect: boolean

  constructor(message: string, exitCode: number | null = null, options: CommandErrorOptions = {}) {
    super(message, options)
    this.exitCode = exitCode
    this.isOfDefect = options.isOfDefect ?? false
  }
}

/** The arguments are wrong; `--help` would have told. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What node:fs throws when a system call fails. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'code' in error
}

/** What is said of a system call that failed, where no device is known that it was about. */
export function systemErrorLine(error: NodeJS.ErrnoException): string {
  const [call] = error.syscall!.split(' ')
  const what = error.path === undefined ? call! : `${call!} ${error.path}`
  return `cannot ${what}: ${explanationOf(error)}`
}

/** What the errno means, and what helps. EAGAIN is no lock where a program was to be started (fork(2)). */
function explanationOf(error: NodeJS.ErrnoException): string {
  if (error.code === 'EAGAIN' && error.syscall!.startsWith('spawn'))
    return 'no further process can be had: raise the limit (ulimit -u)'
  return adviceOn(codeOf(error))
}

/** What went wrong with `device`, in one line; null where the error is no failure but a defect. */
export function failureOf(device: string, error: unknown): string | null {
  // The message of a DeviceError names the device itself.
  if (error instanceof DeviceError) {
    const isNamed = error.message.includes(error.device ?? device)
    return isNamed ? error.message : `${device}: ${error.message}`
  }
  if (error instanceof BadBlockError) return error.message
  if (error instanceof VolumeError || error instanceof PmemError) return `${device}: ${error.message}`
  if (isSystemError(error)) return `${device}: ${explanationOf(error)}`
  return null
}

/** Does `body`, and turns what can go wrong with a device into a CommandError about it. */
export async function about<T>(device: string, body: () => T | Promise<T>): Promise<T> {
  try {
    return await body()
  } catch (error) {
    const { inUseText } = await import('./in-use.js')
    const failure = inUseText(device, error) ?? failureOf(device, error)
    throw failure === null ? error : new CommandError(failure, null, { cause: error })
  }
}
