// SPDX-License-Identifier: GPL-2.0-only
/** SETXATTR as kernels send it: with the fields of FUSE_SETXATTR_EXT, and by those before Linux 5.13 without. */
import { test } from 'tap'
import { attributeWords } from '../../src/fs/attributes.js'
import { inode as layout } from '../../layout/inode.js'
import { FUSE_SETXATTR_ACL_KILL_SGID } from '../../src/fuse/protocol.js'
import { aclBytes } from '../support/acl-text.js'
import { nameOf, newInode } from '../support/engine-caller.js'
import { MemoryVolume } from '../support/memory-volume.js'
import { RequestDriver } from '../support/request-driver.js'
import { root } from '../support/test-volume.js'

const ACCESS = 'system.posix_acl_access'
const acl = aclBytes('u::rwx,u:7:r-x,g::r-x,m::rwx,o::---')

void test('both forms of the struct set the same', (t) => {
  const volume = new MemoryVolume(4 * 2 ** 20)
  const driver = new RequestDriver(volume, 'devfuse')
  t.teardown(() => {
    driver.release()
    volume.release()
  })
  const { engine } = volume
  const words = new Uint32Array(attributeWords)
  const modeOf = (number: number): string => {
    engine.getattr(number, words)
    return words[layout.word.mode]!.toString(8)
  }
  for (const isExtended of [true, false]) {
    const file = engine.create(root, nameOf(`file ${isExtended}`), newInode(0o102644, 0))
    for (const [name, value] of [
      ['user.a', Buffer.from('value')],
      ['user.empty', Buffer.alloc(0)],
      ['security.of-a-longer-name', Buffer.alloc(100, 1)],
    ] as const) {
      t.equal(driver.setxattrTo(file, name, value, isExtended), 0)
      t.equal(driver.getxattr(file, Buffer.from(name), 0), value.length, name)
    }
    t.equal(driver.setxattrTo(file, ACCESS, acl, isExtended), 0)
    t.equal(modeOf(file), '102770', 'set-group-ID stays')
  }
  const file = engine.create(root, nameOf('another'), newInode(0o102644, 0))
  t.equal(driver.setxattrTo(file, 'user.a', Buffer.from('v'), true, FUSE_SETXATTR_ACL_KILL_SGID), 0)
  t.equal(modeOf(file), '102644', 'only an access ACL takes it')
  t.equal(driver.setxattrTo(file, ACCESS, acl, true, FUSE_SETXATTR_ACL_KILL_SGID), 0)
  t.equal(modeOf(file), '100770')
  t.end()
})
