// SPDX-License-Identifier: GPL-2.0-only
/** The conformance suite on the example of another file system, which the same channels serve. */
import { test } from 'tap'
import {
  FITRIM,
  FSLABEL_MAX,
  FS_IOC_GETFLAGS,
  FS_IOC_GETFSLABEL,
  fstrim_range,
} from '../../src/fuse/ioctl-numbers.js'
import { outcome } from '../support/system.js'
import { type Target, mountExample } from '../support/target.js'
import { claimedByExample, runSuites } from './run-suites.js'

function leftOutSuite({ system, directory }: Target): void {
  void test('flags, a label and a trim are refused as what it does not know', async (t) => {
    const calls = [
      [FS_IOC_GETFLAGS, 8],
      [FS_IOC_GETFSLABEL, FSLABEL_MAX],
      [FITRIM, fstrim_range.lengthBytes],
    ] as const
    for (const [number, bytes] of calls)
      t.equal(await outcome(system.ioctl(directory, number, Buffer.alloc(bytes))), 'ENOTTY')
  })
}

await runSuites(() => mountExample('devfuse'), [...claimedByExample, leftOutSuite])
