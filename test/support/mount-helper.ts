// SPDX-License-Identifier: GPL-2.0-only
/** Puts this tree's mount helper where mount(8) looks for it, for the time of a test. */
import { existsSync, symlinkSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { TearsDown } from './temporary.js'
import { packageRoot } from './test-mount.js'

export const helperFile = join(packageRoot, 'bin', 'mount.pmfs2.js')

/** @param names of helpers, such as mount.pmfs2 */
export function installHelper(t: TearsDown, ...names: readonly string[]): void {
  for (const name of names) {
    const link = `/sbin/${name}`
    if (existsSync(link)) throw new Error(`${link} is there: this test needs the name for itself`)
    symlinkSync(helperFile, link)
    t.teardown(() => unlinkSync(link))
  }
}
