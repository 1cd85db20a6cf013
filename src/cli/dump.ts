// SPDX-License-Identifier: GPL-2.0-only
/** `dump`: not there yet. */
import type { CommandModule } from 'yargs'
import { CommandError } from './command-error.js'

export const dumpCommand: CommandModule = {
  command: 'dump',
  describe: 'Not there yet',
  handler: () => {
    throw new CommandError('it is not there yet')
  },
}
