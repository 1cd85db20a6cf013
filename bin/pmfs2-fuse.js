#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-only
/** Starts the program, and reports a limit of the system that keeps it from being loaded at all. */
const refusals = {
  EMFILE: 'this process may open no more files: raise the limit (ulimit -n)',
  ENFILE: 'the machine has too many open files: raise the limit (sysctl fs.file-max)',
  ENOMEM: 'there is no memory left, or no more of it is allowed (ulimit -v)',
}
/** As in src/cli/commands.ts. Without a command's name, a device is to be mounted. */
const exitCodes = { fsck: 8, mkfs: 1, info: 1, dump: 1, help: 1, version: 1 }

try {
  await import('../dist/src/cli/main.js')
} catch (error) {
  const refusal = refusals[error?.code]
  if (refusal === undefined) throw error
  console.error(`pmfs2-fuse: the program cannot be loaded: ${refusal}`)
  process.exitCode = exitCodes[process.argv[2]] ?? 32
}
