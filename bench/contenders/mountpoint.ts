// SPDX-License-Identifier: GPL-2.0-only
/**
 * A directory of our own to mount on, and its sure removal. The list of mounts is read from /proc, never
 * asked of the mount itself, because a dead server would not answer.
 */
import { mkdtemp, readFile, realpath, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../command.js'

const umountTimeoutMs = 10_000

export async function makeMountpoint(name: string): Promise<string> {
  return mkdtemp(join(await realpath(tmpdir()), `pmfs2-bench-${name}-`))
}

export async function isMounted(directory: string): Promise<boolean> {
  const mounts = await readFile('/proc/self/mounts', 'utf8')
  // Blanks in a path stand there as \040 and the like (getmntent(3)).
  const escaped = directory.replace(
    /[ \t\n\\]/g,
    (blank) => `\\${blank.charCodeAt(0).toString(8).padStart(3, '0')}`,
  )
  return mounts.split('\n').some((line) => line.split(' ')[1] === escaped)
}

/** Unmounts what is mounted there, by force if it must be, and removes the directory. */
export async function removeMountpoint(directory: string): Promise<void> {
  if (await isMounted(directory)) {
    try {
      await run('umount', [directory], { timeoutMs: umountTimeoutMs })
    } catch {
      // --force aborts the FUSE connection, which ends a server that hangs; --lazy lets no open file stop us.
      await run('umount', ['--force', '--lazy', directory], { timeoutMs: umountTimeoutMs })
    }
  }
  await rmdir(directory)
}
