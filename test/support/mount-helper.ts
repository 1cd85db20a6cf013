// SPDX-License-Identifier: GPL-2.0-only
/** Puts this tree's mount helper where mount(8) looks for it, for the time of a test. */
import { readlinkSync, symlinkSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { TearsDown } from './temporary.js'
import { packageRoot } from './test-mount.js'

export const helperFile = join(packageRoot, 'bin', 'mount.pmfs2.js')

function isOurs(link: string): boolean {
  try {
    return readlinkSync(link) === helperFile
  } catch {
    return false
  }
}

/** @param names of helpers, such as mount.pmfs2 */
export function installHelper(t: TearsDown, ...names: readonly string[]): void {
  for (const name of names) {
    const link = `/sbin/${name}`
    // One that a test left behind when it was killed is ours.
    if (isOurs(link)) unlinkSync(link)
    symlinkSync(helperFile, link)
    t.teardown(() => unlinkSync(link))
  }
}
