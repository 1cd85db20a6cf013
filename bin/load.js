// SPDX-License-Identifier: GPL-2.0-only
/**
 * Loads the program, and reports a limit of the system that keeps it from being loaded at all. With PMFS2_MODULES=1 it
 * is the modules of dist/src/ that run, and not the bundle.
 */
const refusals = {
  EMFILE: 'this process may open no more files: raise the limit (ulimit -n)',
  ENFILE: 'the machine has too many open files: raise the limit (sysctl fs.file-max)',
  ENOMEM: 'there is no memory left, or no more of it is allowed (ulimit -v)',
}

/**
 * @param name what was called, for the message
 * @param run what to do with the program
 * @param exitCode for a limit of the system
 */
export async function withProgram(name, run, exitCode) {
  try {
    const folder = process.env.PMFS2_MODULES === '1' ? 'src' : 'program'
    await run(await import(`../dist/${folder}/cli/program.js`))
  } catch (error) {
    const refusal = refusals[error?.code]
    if (refusal === undefined) throw error
    console.error(`${name}: the program cannot be loaded: ${refusal}`)
    process.exitCode = exitCode
  }
}
