// SPDX-License-Identifier: GPL-2.0-only
/** Replies as a trace tells them. */
import { test } from 'tap'
import * as fuse from '../../src/fuse/protocol.js'
import { replyText, requestText } from '../../src/fuse/trace-text.js'
import { EngineCaller, nameOf, newInode } from '../support/engine-caller.js'
import { MemoryVolume } from '../support/memory-volume.js'
import { RequestDriver } from '../support/request-driver.js'
import { root } from '../support/test-volume.js'

for (const layout of ['devfuse', 'uring'] as const) {
  void test(`replies over ${layout}`, (t) => {
    const volume = new MemoryVolume(2 ** 24)
    t.teardown(() => volume.release())
    const driver = new RequestDriver(volume, layout)
    t.teardown(() => driver.release())
    const { message } = driver

    t.equal(driver.lookup(root, Buffer.from('missing')), 0)
    t.equal(replyText(fuse.FUSE_LOOKUP, 0, message), 'ENOENT')

    const file = volume.engine.create(root, nameOf('file'), newInode(0o100644, 0))
    for (const [length, text] of [
      [1, '1 byte'],
      [2, '2 bytes'],
    ] as const) {
      t.equal(driver.write(file, 0, length), length)
      t.equal(replyText(fuse.FUSE_WRITE, 0, message), text)
      t.equal(driver.read(file, 0, length), length)
      t.equal(replyText(fuse.FUSE_READ, 0, message), text)
    }

    const caller = new EngineCaller(volume.engine, volume.medium)
    t.teardown(() => caller.release())
    for (const [target, text] of [
      ['a', '"a"'],
      ['some/tar\nget', '"some/tar\\x0aget"'],
      ['x'.repeat(255), `"${'x'.repeat(255)}"`],
      ['x'.repeat(256), `"${'x'.repeat(255)}"…`],
      ['x'.repeat(4095), `"${'x'.repeat(255)}"…`],
    ] as const) {
      const link = caller.symlink(root, `link ${target.length}`, target)
      t.equal(driver.readlink(link), target.length)
      t.equal(replyText(fuse.FUSE_READLINK, 0, message), text)
    }
    t.equal(replyText(fuse.FUSE_READLINK, driver.readlink(file), message), 'EINVAL')

    const name = Buffer.from('user.name')
    t.equal(replyText(fuse.FUSE_SETXATTR, driver.setxattr(file, name, 100), message), '0')
    t.match(requestText(message), /^SETXATTR\(inode \d+, "user.name", size 100\)$/)
    for (const size of [0, 100]) {
      t.equal(driver.getxattr(file, name, size), 100)
      // Over io_uring the reply's struct lies where the name was.
      if (size > 0) t.match(requestText(message), /^GETXATTR\(inode \d+, "user.name", size 100\)$/)
      t.equal(replyText(fuse.FUSE_GETXATTR, 0, message), '100 bytes')
      t.equal(driver.listxattr(file, size), name.length + 1)
      t.match(requestText(message), new RegExp(`^LISTXATTR\\(inode \\d+, size ${size}\\)$`))
      t.equal(replyText(fuse.FUSE_LISTXATTR, 0, message), '10 bytes')
    }
    t.equal(replyText(fuse.FUSE_GETXATTR, driver.getxattr(file, name, 10), message), 'ERANGE')
    t.equal(driver.removexattr(file, name), 0)
    t.equal(replyText(fuse.FUSE_REMOVEXATTR, driver.removexattr(file, name), message), 'ENODATA')
    t.end()
  })
}
