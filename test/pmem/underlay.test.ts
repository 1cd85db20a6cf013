// SPDX-License-Identifier: GPL-2.0-only
/** Which mounts a file or device lies on, however many devices are in between. */
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { statDevice } from '../../src/pmem/device-open.js'
import { mountAround, readMountTable } from '../../src/pmem/mount-info.js'
import { Underlay } from '../../src/pmem/underlay.js'
import { sparseFile } from '../cli/cli.js'
import { loopOver } from '../support/loop-device.js'
import { temporaryDirectory } from '../support/temporary.js'

const underlay = (): Underlay => new Underlay({ sys: '/sys', proc: '/proc' })

void test('a loop device on another, and a file system on them', async (t) => {
  const folder = await temporaryDirectory(t, '/var/tmp')
  const own = mountAround(folder, readMountTable())!
  const other = mountAround('/proc/self', readMountTable())!
  const file = sparseFile(join(folder, 'file'), 2 ** 25)
  t.ok(underlay().isFileOn(file, own))
  t.notOk(underlay().isFileOn(file, other))
  const first = loopOver(t, file)
  const second = loopOver(t, first)
  for (const path of [first, second]) {
    const { rdev } = statDevice(path)
    t.ok(underlay().isDeviceOn(rdev, own), path)
    t.notOk(underlay().isDeviceOn(rdev, other), path)
    t.ok(underlay().isFileOn(path, own), 'its node, too')
  }
  const place = join(folder, 'mount')
  mkdirSync(place)
  execFileSync('mkfs.ext4', ['-q', second])
  execFileSync('mount', [second, place])
  t.teardown(() => execFileSync('umount', [place]))
  t.ok(underlay().isFileOn(join(place, 'new'), own), 'a file of a file system on them')
})
