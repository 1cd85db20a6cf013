// SPDX-License-Identifier: GPL-2.0-only
import { execFileSync } from 'node:child_process'
import type { TearsDown } from './temporary.js'
import { whenGone } from './when-gone.js'

/** A loop device over a file, until the end of the test. @returns its path */
export function loopOver(t: TearsDown, file: string): string {
  const device = execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim()
  const { dismiss } = whenGone('losetup --detach "$1"', device)
  t.teardown(() => {
    execFileSync('losetup', ['--detach', device])
    dismiss()
  })
  return device
}
