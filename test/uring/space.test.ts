// SPDX-License-Identifier: GPL-2.0-only
/** Space that comes back by a FORGET, which never comes by the ring, is there for a write that does. */
import tap from 'tap'
import { noFailures, rewriteFull } from '../support/rewrite-full.js'
import { overRing, withRing } from '../support/ring-tests.js'
import { TestMount } from '../support/test-mount.js'

tap.setTimeout(300_000)

function rewrite(...args: readonly string[]): void {
  void tap.test(`a file as large as the device, again and again: ${args.join(' ')}`, async (t) => {
    const mount = await TestMount.mounted(t, '32M', ...overRing, ...args)
    t.same(await rewriteFull(mount), noFailures)
    await mount.unmount()
    t.match(await mount.check(), /: clean,/)
  })
}

await withRing(tap, () => {
  rewrite()
  rewrite('--workers', '1')
})
