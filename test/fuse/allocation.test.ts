// SPDX-License-Identifier: GPL-2.0-only
/** A request leaves no garbage on its whole way through the server, wherever a channel has put it. */
import { test } from 'tap'
import { ENODATA } from '../../src/fs/errno.js'
import { nameOf, newInode } from '../support/engine-caller.js'
import { allowedBytesPerCall, bytesPerCall } from '../support/heap-growth.js'
import { MemoryVolume } from '../support/memory-volume.js'
import { type MessageLayout, RequestDriver } from '../support/request-driver.js'
import { root } from '../support/test-volume.js'

const blocks = 256
const blockBytes = 4096

for (const layout of ['devfuse', 'uring'] satisfies MessageLayout[]) {
  void test(`requests as ${layout} lays them out`, (t) => {
    const volume = new MemoryVolume(2 ** 24)
    t.teardown(() => volume.release())
    const driver = new RequestDriver(volume, layout)
    t.teardown(() => driver.release())
    const { engine } = volume
    for (let n = 0; n < 500; n++)
      engine.forget(engine.create(root, nameOf(`file ${n}`), newInode(0o100644, 0)), 1)
    const known = Buffer.from('file 250')
    const missing = Buffer.from('missing')
    const file = driver.lookup(root, known)
    for (let n = 0; n < blocks; n++) driver.write(file, n * blockBytes, blockBytes)
    // The upper half of the nanoseconds makes a word beyond 2³¹, which nothing may box; reads note the time.
    const tick = (n: number) => engine.clock.set(1_700_000_000 + (n % 5000) * 86400, 0, 900_000_000 + n)

    // What is measured is what was meant.
    t.ok(file > root)
    t.equal(driver.lookup(root, missing), 0)
    t.equal(driver.getattr(file), blocks * blockBytes)
    t.ok(driver.statfs() > 0)
    t.equal(driver.read(file, 0, 2 * blocks * blockBytes), blocks * blockBytes)
    t.equal(driver.read(file, 5000, 20), 20)
    t.equal(driver.write(file, 5000, 20), 20)

    const [none, small, large, list] = ['capability', 'small', 'large', 'list'].map((name) =>
      Buffer.from(`security.${name}`),
    ) as [Buffer, Buffer, Buffer, Buffer]
    const marked = driver.lookup(root, Buffer.from('file 251'))
    t.equal(driver.setxattr(marked, small, 60), 0)
    t.equal(driver.setxattr(marked, large, 60000), 0)
    t.equal(driver.getxattr(file, none, 100), -ENODATA)
    t.equal(driver.getxattr(marked, none, 100), -ENODATA)
    t.equal(driver.getxattr(marked, small, 100), 60)
    t.equal(driver.getxattr(marked, large, 65536), 60000)
    t.equal(driver.listxattr(marked, 100), small.length + large.length + 2)

    const requests: readonly [name: string, make: (n: number) => void][] = [
      [
        'LOOKUP',
        () => {
          driver.lookup(root, known)
          driver.forget(file)
        },
      ],
      ['LOOKUP of what is not there', () => void driver.lookup(root, missing)],
      ['GETATTR', () => void driver.getattr(file)],
      ['STATFS', () => void driver.statfs()],
      [
        'READ of 4 KiB',
        (n) => {
          tick(n)
          driver.read(file, (n % blocks) * blockBytes, blockBytes)
        },
      ],
      ['GETXATTR of a file without any', () => void driver.getxattr(file, none, 100)],
      ['GETXATTR of what is not there', () => void driver.getxattr(marked, none, 100)],
      ['GETXATTR of a small one', () => void driver.getxattr(marked, small, 100)],
      ['GETXATTR of a large one', () => void driver.getxattr(marked, large, 65536)],
      ['GETXATTR of a length', () => void driver.getxattr(marked, large, 0)],
      ['LISTXATTR', () => void driver.listxattr(marked, 100)],
      ['SETXATTR', (n) => (tick(n), driver.setxattr(marked, list, 1 + (n % 60)))],
      ['READ of 1 MiB', () => void driver.read(file, 0, blocks * blockBytes)],
      [
        'WRITE of 4 KiB',
        (n) => {
          tick(n)
          driver.write(file, (n % blocks) * blockBytes, blockBytes)
        },
      ],
    ]
    for (const [name, make] of requests) {
      const bytes = bytesPerCall(make)
      t.ok(bytes < allowedBytesPerCall, `${name}: ${bytes.toFixed(3)} bytes per request`)
    }
    t.end()
  })
}
