// SPDX-License-Identifier: GPL-2.0-only
/** Which commands there are, what they are for in a line, and their exit codes. A command is loaded when it is used. */
import type { Argv } from 'yargs'
import type { Command } from './command.js'

/** Exit codes of mount(8) and umount(8). */
const mounting = { usageExit: 1, failureExit: 32, limitExit: 2, defectExit: 4 }
const plain = { usageExit: 1, failureExit: 1, limitExit: 1, defectExit: 4 }
/** Exit codes of e2fsck(8), to which 4 means that errors were found. */
const checking = { usageExit: 16, failureExit: 8, limitExit: 8, defectExit: 8 }

/** What has no code of its own to load. */
const builtIn = { ...plain, add: (parser: Argv) => Promise.resolve(parser) }

/** The program as a whole. */
export const self: Command = { name: 'pmfs2-fuse', usage: '', describe: '', ...builtIn }

export const helpCommand: Command = {
  name: 'help',
  usage: 'help [command]',
  describe: 'show all commands, or the options of one',
  ...builtIn,
}

export const versionCommand: Command = {
  name: 'version',
  usage: 'version',
  describe: 'show the version',
  ...builtIn,
}

/** What is meant where no command is named. */
export const mount: Command = {
  name: 'mount',
  usage: 'mount <device...> <mountpoint>',
  describe: 'mount a device (the default command)',
  ...mounting,
  add: async (parser) => parser.command((await import('./mount.js')).mountCommand),
}

export const commands: readonly Command[] = [
  mount,
  {
    name: 'umount',
    usage: 'umount <mountpoint>',
    describe: 'unmount, and wait for the server to release the device',
    ...mounting,
    add: async (parser) => parser.command((await import('./umount.js')).umountCommand),
  },
  {
    name: 'mkfs',
    usage: 'mkfs <device...>',
    describe: 'make a file system',
    ...plain,
    add: async (parser) => parser.command((await import('./mkfs.js')).mkfsCommand),
  },
  {
    name: 'grow',
    usage: 'grow <volume> [device...]',
    describe: 'make a file system larger',
    ...plain,
    add: async (parser) => parser.command((await import('./grow.js')).growCommand),
  },
  {
    name: 'info',
    usage: 'info <target>',
    describe: 'show what is on a device or behind a mount point',
    ...plain,
    add: async (parser) => parser.command((await import('./info.js')).infoCommand),
  },
  {
    name: 'fsck',
    usage: 'fsck <device...>',
    describe: 'check a file system',
    ...checking,
    add: async (parser) => parser.command((await import('./fsck.js')).fsckCommand),
  },
  {
    name: 'dump',
    usage: 'dump <device> [what] [number]',
    describe: 'print the structures on a device',
    ...plain,
    add: async (parser) => parser.command((await import('./dump.js')).dumpCommand),
  },
]
