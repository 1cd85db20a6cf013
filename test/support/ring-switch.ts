// SPDX-License-Identifier: GPL-2.0-only
/** The kernel's switch of FUSE over io_uring: on while a test or the bench needs it, and then as it was. */
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { ringSwitch } from '../../src/daemon/channel-choice.js'
import type { TearsDown } from './temporary.js'

/** @returns what puts it back; null on kernels before Linux 6.14, which know no ring */
export function switchRingOn(): (() => void) | null {
  let before: string
  try {
    // The switch is there once the module is, and opening the device loads it.
    closeSync(openSync('/dev/fuse', 'r+'))
    before = readFileSync(ringSwitch, 'utf8').trim()
  } catch {
    return null
  }
  writeFileSync(ringSwitch, 'Y')
  return () => writeFileSync(ringSwitch, before)
}

/** On until the end of `t`. @returns the channel that a mount then has */
export function turnRingOn(t: TearsDown): 'uring' | 'devfuse' {
  const restore = switchRingOn()
  if (restore === null) return 'devfuse'
  t.teardown(restore)
  return 'uring'
}
