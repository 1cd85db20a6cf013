#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-only
/** The helper that mount(8) runs for the types pmfs2 and fuse.pmfs2. */
try {
  const folder = process.env.PMFS2_MODULES === '1' ? 'src' : 'program'
  const { mountHelper } = await import(`../dist/${folder}/cli/program.js`)
  await mountHelper()
} catch (error) {
  if (!['EMFILE', 'ENFILE', 'ENOMEM'].includes(error?.code)) throw error
  console.error(`mount.pmfs2: the program cannot be loaded: ${error.code}: a limit of the system is reached`)
  process.exitCode = 2
}
