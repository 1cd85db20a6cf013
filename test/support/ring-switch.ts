// SPDX-License-Identifier: GPL-2.0-only
/** The kernel's switch of FUSE over io_uring: on while a test needs it, and then as it was. */
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { ringSwitch } from '../../src/daemon/channel-choice.js'
import type { TearsDown } from './temporary.js'

/** @returns the channel that a mount then has: kernels before Linux 6.14 know no ring */
export function turnRingOn(t: TearsDown): 'uring' | 'devfuse' {
  let before: string
  try {
    // The switch is there once the module is, and opening the device loads it.
    closeSync(openSync('/dev/fuse', 'r+'))
    before = readFileSync(ringSwitch, 'utf8').trim()
  } catch {
    return 'devfuse'
  }
  writeFileSync(ringSwitch, 'Y')
  t.teardown(() => writeFileSync(ringSwitch, before))
  return 'uring'
}
