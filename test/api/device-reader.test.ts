// SPDX-License-Identifier: GPL-2.0-only
/**
 * Looking at a device: of what is open, not of what its path leads to; and by loads, where bad memory fails that look,
 * and nothing else in the process.
 */
import { renameSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { digestOf } from '../../src/api/device-contents.js'
import { mappedReader, readerOf } from '../../src/api/device-reader.js'
import { type Mapping, native } from '../../src/native/index.js'
import { openDevice } from '../../src/pmem/device.js'
import { hasAnythingFailed } from '../../src/pmem/medium-failure.js'
import { changedDevice } from '../support/changed-device.js'
import { temporaryDirectory } from '../support/temporary.js'

/** @returns of each mapping that is unmapped from now on, whether it was apart from what is served */
function spyOnApart(t: Test): boolean[] {
  const [setApart, unmap] = [native.setApart.bind(native), native.unmap.bind(native)]
  t.teardown(() => Object.assign(native, { setApart, unmap }))
  const apart = new Set<Mapping>()
  const unmapped: boolean[] = []
  native.setApart = (mapping, isApart) => {
    if (isApart !== 0) apart.add(mapping)
    else apart.delete(mapping)
    return setApart(mapping, isApart)
  }
  native.unmap = (mapping, view) => {
    unmapped.push(apart.has(mapping))
    return unmap(mapping, view)
  }
  return unmapped
}

void test('what is open is read, whatever its path names by now', async (t) => {
  const path = join(await temporaryDirectory(t), 'device')
  const write = (contents: string): void => {
    writeFileSync(`${path}.new`, contents.repeat(8192))
    renameSync(`${path}.new`, path)
  }
  write('locked')
  const device = openDevice(path, { access: 'read-write', exclusive: true })
  const [read, digest] = [readerOf(device), digestOf(device)]
  write('OTHERS')
  t.equal(Buffer.from(read(6, 6)).toString(), 'locked')
  t.equal(Buffer.from(readerOf(device)(6, 6)).toString(), 'locked', 'as it was looked at before or not')
  t.equal(digestOf(device), digest)
  device.close()
  t.throws(() => read(6, 6), { code: 'EBADF' }, 'only until it is closed')
})

void test('what cannot be loaded is an error of the look, and of no mount', async (t) => {
  const path = join(await temporaryDirectory(t), 'device')
  writeFileSync(path, Buffer.alloc(64 * 1024, 7))
  const device = openDevice(path, { access: 'read-only', exclusive: false })
  t.teardown(() => device.close())
  const read = mappedReader(device)
  truncateSync(path, 8192)
  const apart = spyOnApart(t)
  t.throws(() => read(20_000, 100), {
    code: 'EIO',
    message: `cannot access ${path} at byte 20000: its disk is full, or it was cut short (SIGBUS)`,
  })
  const devdax = mappedReader(changedDevice(device, { kind: 'devdax' }))
  t.throws(() => devdax(20_000, 100), {
    code: 'EIO',
    message: `cannot access ${path} at byte 20000: its namespace was disabled, or its driver has let go of it (SIGBUS)`,
  })
  t.notOk(hasAnythingFailed(), 'others go on')
  t.same(apart, [true, true], 'nor did a reply wait for that')
  t.same(read(8000, 3), Uint8Array.of(7, 7, 7), 'what is there can be read')
})
