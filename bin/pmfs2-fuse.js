#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-only
/**
 * Starts the program, and reports a limit of the system that keeps it from being loaded at all. With PMFS2_MODULES=1 it
 * is the modules of dist/src/ that run, and not the bundle.
 */
const refusals = {
  EMFILE: 'this process may open no more files: raise the limit (ulimit -n)',
  ENFILE: 'the machine has too many open files: raise the limit (sysctl fs.file-max)',
  ENOMEM: 'there is no memory left, or no more of it is allowed (ulimit -v)',
}
/** As in src/cli/commands.ts. mount, which needs no name, and umount give 2: a system error. */
const exitCodes = { fsck: 8, mkfs: 1, grow: 1, info: 1, dump: 1, help: 1, version: 1 }

try {
  const folder = process.env.PMFS2_MODULES === '1' ? 'src' : 'program'
  // What this thread prints for debugging names places in the sources.
  if (process.env.DEBUG !== undefined) process.setSourceMapsEnabled(true)
  const { main } = await import(`../dist/${folder}/cli/program.js`)
  await main()
} catch (error) {
  const refusal = refusals[error?.code]
  if (refusal === undefined) throw error
  console.error(`pmfs2-fuse: the program cannot be loaded: ${refusal}`)
  process.exitCode = exitCodes[process.argv[2]] ?? 2
}
