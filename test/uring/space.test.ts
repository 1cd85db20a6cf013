// SPDX-License-Identifier: GPL-2.0-only
/** Space that comes back by a FORGET, which never comes by the ring, is there for a write that does. */
import tap from 'tap'
import { noFailures, rewriteFull } from '../support/rewrite-full.js'
import { turnRingOn } from '../support/ring-switch.js'
import { TestMount } from '../support/test-mount.js'

tap.setTimeout(240_000)
turnRingOn(tap)

for (const args of [[], ['--workers', '1']] as const) {
  void tap.test(`a file as large as the device, again and again: ${args.join(' ')}`, async (t) => {
    const mount = await TestMount.mounted(t, '32M', ...args)
    t.same(await rewriteFull(mount), noFailures)
    await mount.unmount()
    t.match(await mount.check(), /: clean,/)
  })
}
