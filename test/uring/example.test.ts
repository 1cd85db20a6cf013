// SPDX-License-Identifier: GPL-2.0-only
/** The example of another file system over io_uring, where FORGETs come to it from another thread. */
import { constants } from 'node:fs'
import { join } from 'node:path'
import tap from 'tap'
import { appendSuite } from '../posix/suites/append.js'
import { namesSuite } from '../posix/suites/names.js'
import { readWriteSuite } from '../posix/suites/read-write.js'
import { unlinkSuite } from '../posix/suites/unlink.js'
import { runSuites } from '../posix/run-suites.js'
import { type Target, mountExample } from '../support/target.js'
import { until } from '../support/test-mount.js'
import { turnRingOn } from '../support/ring-switch.js'

const { O_CREAT, O_WRONLY } = constants
const megabyte = Buffer.alloc(2 ** 20, 1)

/** Only a FORGET frees what was open when it lost its name. */
function forgetSuite({ system, directory }: Target): void {
  void tap.test('what was removed while open gives its space back', async (t) => {
    const free = async () => (await system.statfs(directory)).bfree
    const before = await free()
    const path = join(directory, 'open')
    const fd = await system.open(path, O_WRONLY | O_CREAT)
    await system.write(fd, megabyte)
    await system.unlink(path)
    t.equal(before - (await free()), megabyte.length / 4096, 'it is there while it is open')
    await system.close(fd)
    t.ok(await until(async () => (await free()) === before), 'and gone afterwards')
  })
}

if (turnRingOn(tap) === 'uring')
  await runSuites(
    () => mountExample('uring'),
    [appendSuite, namesSuite, readWriteSuite, unlinkSuite, forgetSuite],
  )
else tap.pass('this kernel has no ring')
