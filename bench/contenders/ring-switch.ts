// SPDX-License-Identifier: GPL-2.0-only
/** The kernel's switch of FUSE over io_uring: on while the bench runs, and then as it was. */
import { open, readFile, writeFile } from 'node:fs/promises'
import { ringSwitch } from '../../src/daemon/channel-choice.js'

/** @returns what puts it back */
export async function turnRingOn(): Promise<() => Promise<void>> {
  let before: string
  try {
    // The switch is there once the module is, and opening the device loads that.
    await (await open('/dev/fuse', 'r+')).close()
    before = (await readFile(ringSwitch, 'utf8')).trim()
  } catch {
    // Kernels before Linux 6.14 have none, and then those who need it are named as missing.
    return () => Promise.resolve()
  }
  await writeFile(ringSwitch, 'Y')
  return () => writeFile(ringSwitch, before)
}
