// SPDX-License-Identifier: GPL-2.0-only
/** Temporary directories that go when their test does, whether it passed or not. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What of a tap test is needed here. */
export interface TearsDown {
  teardown(handler: () => unknown): void
}

export const SHARED_MEMORY = '/dev/shm'

/** A new, empty directory, for its owner alone; the caller removes it. */
export function makeTemporary(parent = tmpdir()): Promise<string> {
  return mkdtemp(join(parent, 'pmfs2-test-'))
}

/** A new, empty directory that is removed with all below it at the end of `t`. */
export async function temporaryDirectory(t: TearsDown, parent = tmpdir()): Promise<string> {
  const directory = await makeTemporary(parent)
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}
