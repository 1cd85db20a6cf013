// SPDX-License-Identifier: GPL-2.0-only
/**
 * What commands print. Names of files come into it, and a terminal must obey none of them: whatever is not printable
 * is shown escaped. A program that reads JSON gets each name whole: a byte that is not UTF-8 is a lone surrogate there
 * (src/native/file-name.ts).
 */
import { getSystemErrorMap } from 'node:util'
import { shownLine } from '../check/name-text.js'
import type { Command } from './command.js'

/** Names and values in two columns, indented by two. */
export type Row = readonly [name: string, value: string]

/** To standard output. */
export function printLine(line: string): void {
  console.log(shownLine(line))
}

export function printTable(rows: readonly Row[]): void {
  const width = Math.max(...rows.map(([name]) => name.length))
  for (const [name, value] of rows) printLine(`  ${name.padEnd(width)}  ${value}`)
}

export function printJson(value: unknown): void {
  console.log(JSON.stringify(value, null, 2))
}

/** To standard error, with the command's name. */
export function printNotice(command: string, line: string): void {
  console.error(shownLine(`${command}: ${line}`))
}

/** Says in one line that output was lost. A reader such as head(1) that has seen enough is no error. */
export function watchOutput({ name, failureExit }: Command): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return
    printNotice(name, `cannot write to standard output: ${reasonOf(error)}`)
    process.exitCode = failureExit
  })
  // There is nobody left to tell; the exit code says it.
  process.stderr.on('error', () => undefined)
}

function reasonOf({ errno, message }: NodeJS.ErrnoException): string {
  return (errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1]) ?? message
}
