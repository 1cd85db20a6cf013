// SPDX-License-Identifier: GPL-2.0-only
/** Whether a program is there, and of which version its package is. */
import { access, constants } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../command.js'

/** Where mount programs are, also for users whose PATH leaves these out. */
const systemFolders = ['/usr/sbin', '/sbin', '/usr/local/sbin']

async function isInstalled(program: string): Promise<boolean> {
  const folders = [...(process.env['PATH'] ?? '').split(':'), ...systemFolders]
  const found = await Promise.all(
    folders.map((folder) =>
      access(join(folder, program), constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  )
  return found.includes(true)
}

/** @returns what is missing, in a sentence; undefined where all is there */
export async function missingPrograms(
  programs: readonly string[],
  packageName: string,
): Promise<string | undefined> {
  for (const program of programs) {
    if (!(await isInstalled(program))) return `${program} is not installed: apt-get install ${packageName}`
  }
  return undefined
}

export async function packageVersion(packageName: string): Promise<string> {
  try {
    const { stdout } = await run('dpkg-query', ['-W', '-f', '${Version}', packageName], { timeoutMs: 10_000 })
    return `${packageName} ${stdout.trim()}`
  } catch {
    return `${packageName}, not from a Debian package`
  }
}
