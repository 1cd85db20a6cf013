// SPDX-License-Identifier: GPL-2.0-only
/**
 * Unmounting for sure. The list of mounts is read from /proc, never asked of the mount itself, because a dead
 * server would not answer.
 */
import { readFile, rmdir } from 'node:fs/promises'
import { run } from '../command.js'

const umountTimeoutMs = 60_000

export async function isMounted(directory: string): Promise<boolean> {
  const mounts = await readFile('/proc/self/mounts', 'utf8')
  // Blanks in a path stand there as \040 and the like (getmntent(3)).
  const escaped = directory.replace(
    /[ \t\n\\]/g,
    (blank) => `\\${blank.charCodeAt(0).toString(8).padStart(3, '0')}`,
  )
  return mounts.split('\n').some((line) => line.split(' ')[1] === escaped)
}

/** By force if it must be. */
export async function unmount(directory: string): Promise<void> {
  if (!(await isMounted(directory))) return
  try {
    await run('umount', [directory], { timeoutMs: umountTimeoutMs })
  } catch {
    // --force aborts the FUSE connection, which ends a server that hangs; --lazy lets no open file stop us.
    await run('umount', ['--force', '--lazy', directory], { timeoutMs: umountTimeoutMs })
  }
}

/** Unmounts, and removes the directory: what is below it after that is nobody's mount. */
export async function removeMountpoint(directory: string): Promise<void> {
  await unmount(directory)
  await rmdir(directory).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  })
}
