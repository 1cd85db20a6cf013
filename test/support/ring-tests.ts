// SPDX-License-Identifier: GPL-2.0-only
/**
 * Tests of mounts that are served over the ring. A kernel without one gets another test in their place, of what people
 * then see: so nothing that was served over /dev/fuse passes for the ring.
 */
import { join } from 'node:path'
import type { Test } from 'tap'
import { exitFailure } from '../../src/daemon/mount-error.js'
import { turnRingOn } from './ring-switch.js'
import { System } from './system.js'
import { TestMount, pmfs2 } from './test-mount.js'

/** Options of a mount that fails rather than be served by another channel. */
export const overRing = ['--channel', 'uring'] as const

const obstacle = /FUSE over io_uring needs Linux 6\.14 or newer/

/** @param define defines the tests, with the kernel's switch on until all have ended */
export async function withRing(t: Test, define: () => void | Promise<void>): Promise<void> {
  if (turnRingOn(t) === 'uring') await define()
  else void t.test('without a ring, /dev/fuse serves, and says so', servesWithout)
}

async function servesWithout(t: Test): Promise<void> {
  const mount = await TestMount.make(t, '64M')
  const { end, output } = await pmfs2([mount.device, mount.mountpoint, ...overRing])
  t.equal(end, exitFailure, 'who insists on the ring is refused')
  t.match(output, obstacle)
  t.notOk(mount.isMounted())

  const said = await mount.mount()
  t.match(said, /serving over \/dev\/fuse: /)
  t.match(said, obstacle)
  t.equal((await mount.report()).channel, 'devfuse')
  const system = await System.start()
  t.teardown(() => system.stop())
  const path = join(mount.mountpoint, 'file')
  await system.writeFile(path, 'contents')
  t.equal((await system.readFile(path)).toString(), 'contents')
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
}
