// SPDX-License-Identifier: GPL-2.0-only
/** What is said of an error: a line for people, or two, and an exit code for scripts. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findPackageRoot } from '../native/package-root.js'
import { adviceOn, codeOf } from '../pmem/device-error.js'
import { CommandError, UsageError, isSystemError, systemErrorLine } from './command-error.js'
import type { Command } from './command.js'

export const program = 'pmfs2-fuse'

function packageRoot(): string {
  return findPackageRoot(dirname(fileURLToPath(import.meta.url)))
}

/** What runs the program, for whoever starts it once more. */
export function programFile(): string {
  return join(packageRoot(), 'bin', 'pmfs2-fuse.js')
}

export function version(): string {
  const description = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    version: string
  }
  return `${program} ${description.version}`
}

/** Whether yargs says that the arguments are wrong. */
function isParserError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'YError'
}

function usageLine(command: Command, message: string): string {
  const help = command.usage.includes('<') ? `${program} ${command.name} --help` : `${program} --help`
  const problem = message.startsWith('Not enough non-option arguments')
    ? `it takes ${command.usage.replace(/^\S+ /, '').replace(/[<>]/g, '').toUpperCase()}`
    : message.charAt(0).toLowerCase() + message.slice(1)
  return `${problem}; try ${help}`
}

const limits: readonly unknown[] = ['EMFILE', 'ENFILE', 'ENOMEM']

/** Whether a limit of the system is the cause. EAGAIN is one of processes where one is to be started (fork(2)). */
function isLimit(error: unknown): boolean {
  if (limits.includes(codeOf(error)) || isUnmapped(error)) return true
  return isSystemError(error) && error.code === 'EAGAIN' && error.syscall!.startsWith('spawn')
}

/** Whether a limit kept a part of the program from being loaded. Which part it was does not matter to the user. */
function isOfProgram({ code, path }: NodeJS.ErrnoException): boolean {
  if (!limits.includes(code) || path === undefined) return false
  return path.startsWith(join(packageRoot(), '/')) || path.includes('/node_modules/')
}

/** Whether the limit on memory (ulimit -v) kept the native part from being loaded: dlopen(3) tells it in words only. */
function isUnmapped(error: unknown): boolean {
  return codeOf(error) === 'ERR_DLOPEN_FAILED' && String(error).includes('failed to map segment')
}

/** The exit code of a failure. */
function exitOn(cause: unknown, { limitExit, failureExit }: Command): number {
  return isLimit(cause) ? limitExit : failureExit
}

export interface Verdict {
  /** What a defect has led to, to be said first. */
  readonly notice?: string
  /** What went wrong. */
  readonly line: string
  readonly exitCode: number
}

export function verdict(error: unknown, command: Command): Verdict {
  if (isParserError(error) || error instanceof UsageError) {
    return { line: usageLine(command, error.message), exitCode: command.usageExit }
  }
  if (error instanceof CommandError) {
    if (error.isOfDefect) return { notice: error.message, ...verdict(error.cause, command) }
    return { line: error.message, exitCode: error.exitCode ?? exitOn(error.cause, command) }
  }
  if (isSystemError(error)) {
    const line = isOfProgram(error) ? adviceOn(error.code!) : systemErrorLine(error)
    return { line, exitCode: exitOn(error, command) }
  }
  if (isUnmapped(error)) return { line: adviceOn('ENOMEM'), exitCode: command.limitExit }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  if (message.includes('No native build was found')) {
    return {
      line: 'its native part is not built for this machine: run npm rebuild in its folder',
      exitCode: command.failureExit,
    }
  }
  const line = `this is a bug in ${version()}, please report it: ${message} (DEBUG=pmfs2:* tells where)`
  return { line, exitCode: command.defectExit }
}
