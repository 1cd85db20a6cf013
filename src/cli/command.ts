// SPDX-License-Identifier: GPL-2.0-only
/** What the program knows of a command before it loads it. */
import type { Argv } from 'yargs'

export interface Command {
  readonly name: string
  /** Name and positional arguments, as yargs takes them. */
  readonly usage: string
  readonly describe: string
  /** Exit code for wrong arguments. */
  readonly usageExit: number
  /** Exit code where the command could not do what it should. */
  readonly failureExit: number
  /** Exit code where it failed by a fault of its own. */
  readonly defectExit: number
  /** Loads the command and tells the parser of it. */
  readonly add: (parser: Argv) => Promise<Argv>
}
