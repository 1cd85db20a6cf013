#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-only
/** Of its own it says only why the program cannot even be loaded. */
const refusals = {
  EMFILE: 'this process may open no more files: raise the limit (ulimit -n)',
  ENFILE: 'the machine has too many open files: raise the limit (sysctl fs.file-max)',
  ENOMEM: 'there is no memory left, or no more of it is allowed (ulimit -v)',
}

try {
  await import('../dist/src/cli/main.js')
} catch (error) {
  const refusal = refusals[error?.code]
  if (refusal === undefined) throw error
  console.error(`pmfs2-fuse: it cannot be loaded: ${refusal}`)
  process.exitCode = 1
}
