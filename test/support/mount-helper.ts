// SPDX-License-Identifier: GPL-2.0-only
/** mount(8), and this tree's helper where it looks for one. */
import { readlinkSync, symlinkSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type Finished, finish, withoutRunner } from './run-command.js'
import type { TearsDown } from './temporary.js'
import { packageRoot } from './test-mount.js'

export const helperFile = join(packageRoot, 'bin', 'mount.pmfs2.js')

/** mount(8), without what the test runner has Node load. */
export function mount8(...args: readonly string[]): Promise<Finished> {
  return finish('env', [...withoutRunner, 'mount', ...args])
}

function isOurs(link: string): boolean {
  try {
    return readlinkSync(link) === helperFile
  } catch {
    return false
  }
}

/** Installs the helper for the time of a test. @param names such as mount.pmfs2 */
export function installHelper(t: TearsDown, ...names: readonly string[]): void {
  for (const name of names) {
    const link = `/sbin/${name}`
    // One that a test left behind when it was killed is ours.
    if (isOurs(link)) unlinkSync(link)
    symlinkSync(helperFile, link)
    t.teardown(() => unlinkSync(link))
  }
}
