// SPDX-License-Identifier: GPL-2.0-only
/** The label of a mounted volume, as programs ask for it. */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { System } from '../support/system.js'
import { TestMount, succeed } from '../support/test-mount.js'

const FS_IOC_GETFSLABEL = 0x81009431
/** As many bytes as a label may have, and the shortest one. */
const labels = ['', 'ü'.repeat(32), 'scratch'] as const

tap.setTimeout(60_000)

void tap.test('FS_IOC_GETFSLABEL', async (t) => {
  const system = await System.start()
  t.teardown(() => system.stop())
  const mount = await TestMount.make(t, '32M')
  for (const label of labels) {
    await succeed('mkfs', mount.device, '--force', '--label', label)
    await mount.mount('--channel', 'devfuse')
    const file = join(mount.mountpoint, 'file')
    await writeFile(file, '')
    for (const path of [mount.mountpoint, file]) {
      const answer = await system.ioctl(Buffer.from(path), FS_IOC_GETFSLABEL, Buffer.alloc(256, 1))
      t.same(answer, Buffer.concat([Buffer.from(label)], 256), `"${label}", and zeros`)
    }
    await mount.unmount()
  }
})
