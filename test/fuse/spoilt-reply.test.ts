// SPDX-License-Identifier: GPL-2.0-only
/** What becomes of replies that may have come of zeros: changes stand, and no reference is lost. */
import { test } from 'tap'
import { EEXIST, EIO } from '../../src/fs/errno.js'
import * as fuse from '../../src/fuse/protocol.js'
import { nameOf } from '../support/engine-caller.js'
import { MemoryVolume } from '../support/memory-volume.js'
import { RequestDriver } from '../support/request-driver.js'
import { root } from '../support/test-volume.js'

const name = Buffer.from('folder')
const entry = fuse.fuse_entry_out.word
const mode = entry.attr + fuse.fuse_attr.word.mode

for (const layout of ['devfuse', 'uring'] as const) {
  void test(`over ${layout}`, (t) => {
    const volume = new MemoryVolume(2 ** 24)
    const driver = new RequestDriver(volume, layout)
    t.teardown(() => {
      driver.release()
      volume.release()
    })
    const { engine } = volume
    const references = (inode: number) => volume.volume.state.lookups(inode)

    const made = driver.mkdir(root, name)
    const inode = driver.reply(entry.nodeid)
    // Attributes that came of zeros.
    driver.message.put(mode, 0)
    t.equal(driver.mend(fuse.FUSE_MKDIR, made), made, 'what was made is made')
    t.equal(driver.reply(entry.nodeid), inode)
    t.equal(driver.reply(mode), 0o40755, 'and its attributes are read again')
    t.equal(references(inode), 1)
    t.equal(
      driver.mend(fuse.FUSE_MKDIR, driver.mkdir(root, name)),
      -EIO,
      `not ${EEXIST}, for an entry of zeros`,
    )

    t.equal(driver.lookup(root, name), inode)
    t.equal(references(inode), 2)
    t.equal(driver.mend(fuse.FUSE_LOOKUP, fuse.fuse_entry_out.lengthBytes), -EIO)
    t.equal(references(inode), 1, 'the reference goes with the reply')
    t.equal(driver.lookup(root, Buffer.from('none')), 0)
    t.equal(
      driver.mend(fuse.FUSE_LOOKUP, fuse.fuse_entry_out.lengthBytes),
      -EIO,
      'nor is a name missing for ever',
    )

    t.equal(driver.list(root), 0)
    t.equal(references(inode), 2)
    t.equal(driver.mend(fuse.FUSE_READDIRPLUS, 0), -EIO)
    t.equal(references(inode), 1)
    t.equal(driver.mend(fuse.FUSE_READDIRPLUS, 0), -EIO)
    t.equal(references(inode), 1, 'once')

    t.equal(driver.getattr(inode) >= 0, true)
    t.equal(driver.mend(fuse.FUSE_GETATTR, fuse.fuse_attr_out.lengthBytes), -EIO)
    t.same(driver.noticed, [])
    t.equal(driver.removexattr(inode, Buffer.from('user.none')) < 0, true)
    t.equal(driver.mend(fuse.FUSE_REMOVEXATTR, 0), -EIO)
    t.same(driver.noticed, [inode], 'the kernel asks anew for what may have changed')
    t.equal(driver.mend(fuse.FUSE_UNLINK, 0), 0)
    t.equal(driver.mend(fuse.FUSE_SETATTR, fuse.fuse_attr_out.lengthBytes), fuse.fuse_attr_out.lengthBytes)
    engine.forget(inode, 1)
    t.equal(engine.rmdir(root, nameOf('folder')), 0)
    t.equal(driver.mend(fuse.FUSE_SETATTR, 0), -EIO, 'an inode that cannot be read any more')
    t.end()
  })
}
