// SPDX-License-Identifier: GPL-2.0-only
/** ACLs by the engine: what inherits them, how they and the mode stay in agreement, what is refused, and -o noacl. */
import { test } from 'tap'
import { xattrEntry } from '../../layout/xattr.js'
import { inode as layout } from '../../layout/inode.js'
import { SET_GID, SET_MODE } from '../../src/fs/attributes.js'
import { E2BIG, EACCES, EINVAL, ENODATA, ENOSPC, EOPNOTSUPP, EUCLEAN } from '../../src/fs/errno.js'
import { RENAME_WHITEOUT } from '../../src/fs/rename.js'
import { aclBytes, aclText } from '../support/acl-text.js'
import type { EngineCaller } from '../support/engine-caller.js'
import { problemsOf } from '../support/invariants.js'
import { TestVolume, epoch, root } from '../support/test-volume.js'

const ACCESS = 'system.posix_acl_access'
const DEFAULT = 'system.posix_acl_default'
const full = 'u::rwx,u:7:r-x,g::r-x,g:5:rwx,m::rwx,o::r--'
const minimal = 'u::rwx,g::r-x,o::---'

function aclOf(caller: EngineCaller, inode: number, name = ACCESS): string {
  const value = caller.getxattr(inode, name)
  return typeof value === 'number' ? String(value) : aclText(value)
}

const none = String(-ENODATA)

function fill(volume: TestVolume): void {
  const { caller } = volume
  const filler = caller.file(root, 'filler')
  const piece = Buffer.alloc(4096 * 100)
  while (volume.freeBlocks > 110) caller.write(filler, caller.attributes(filler).size, piece)
  for (let blocks = volume.freeBlocks; blocks > 0; blocks--)
    caller.write(filler, caller.attributes(filler).size, Buffer.alloc(4096))
}

function modeOf(caller: EngineCaller, inode: number): string {
  return caller.attributes(inode).mode.toString(8)
}

/** So many named users, each of 8 bytes. */
function acl(users: number, mask = 'rwx', owner = 'rwx', other = '---'): string {
  const named = Array.from({ length: users }, (_, n) => `u:${n}:r-x`)
  return [`u::${owner}`, ...named, 'g::r-x', `m::${mask}`, `o::${other}`].join()
}

void test('a whiteout inherits as what mknod(2) makes does', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller } = volume
  const plain = caller.mkdir(root, 'plain')
  // In the inode, and in blocks of their own.
  for (const users of [1, 260]) {
    const parent = caller.mkdir(root, `parent ${users}`)
    t.equal(caller.setxattr(parent, DEFAULT, aclBytes(acl(users))), 0)
    t.equal(caller.setattr(parent, { mask: SET_MODE | SET_GID, mode: 0o2755, gid: 77 }), 0)
    t.ok(caller.file(parent, 'file') > 0)
    t.equal(caller.rename(parent, 'file', plain, `moved ${users}`, RENAME_WHITEOUT), 0)
    const whiteout = caller.lookup(parent, 'file')
    t.match(caller.attributes(whiteout), { mode: 0o020000, gid: 77, device: 0, links: 1 })
    t.equal(aclOf(caller, whiteout), acl(users, '---', '---'))
    t.equal(aclOf(caller, whiteout, DEFAULT), none)
  }
  t.equal(caller.rename(plain, 'moved 1', plain, 'moved', RENAME_WHITEOUT), 0)
  t.equal(aclOf(caller, caller.lookup(plain, 'moved 1')), none, 'where nothing is to be inherited')
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('what is made inherits, wherever the ACLs lie', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller } = volume
  // In the inode; in the block; in blocks of their own; and both in different places.
  for (const users of [0, 1, 3, 8, 60, 240, 260, 507]) {
    const text = acl(users)
    const parent = caller.mkdir(root, `parent ${users}`)
    t.equal(caller.setxattr(parent, DEFAULT, aclBytes(text)), 0)
    const directory = caller.make(parent, 'directory', 0o040777, 0, 0o777)
    const file = caller.make(parent, 'file', 0o100664, 0, 0o777)
    const nameless = caller.nameless(parent, 0o100664, 0o777)
    const device = caller.make(parent, 'device', 0o020600, 5, 0o777)
    t.equal(modeOf(caller, directory), '40770', `${users} users`)
    t.equal(aclOf(caller, directory), text)
    t.equal(aclOf(caller, directory, DEFAULT), text)
    for (const inode of [file, nameless]) {
      t.equal(modeOf(caller, inode), '100660')
      t.equal(aclOf(caller, inode), acl(users, 'rw-', 'rw-'))
      t.equal(aclOf(caller, inode, DEFAULT), none)
    }
    t.equal(modeOf(caller, device), '20600')
    t.equal(aclOf(caller, device), acl(users, '---', 'rw-'))
    t.equal(caller.attributes(device).device, 5)
    t.same(problemsOf(volume.medium, true), [])
    caller.forget(nameless)
  }
  volume.reopen()
  t.equal(
    aclOf(volume.caller, volume.caller.lookup(volume.caller.lookup(root, 'parent 507'), 'directory')),
    acl(507),
  )
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('symbolic links inherit nothing, and the umask does not change them', (t) => {
  const { caller } = TestVolume.of(t, 512)
  caller.setxattr(root, DEFAULT, aclBytes(full))
  const link = caller.symlink(root, 'link', 'nowhere')
  t.equal(modeOf(caller, link), '120777')
  t.same(caller.listxattr(link), [])
  for (const name of [ACCESS, DEFAULT]) {
    t.equal(caller.setxattr(link, name, aclBytes(full)), -EOPNOTSUPP)
    t.equal(caller.getxattr(link, name), -EOPNOTSUPP)
    t.equal(caller.removexattr(link, name), -EOPNOTSUPP)
  }
  t.end()
})

void test('the umask counts without a default ACL', (t) => {
  const { caller } = TestVolume.of(t, 512)
  const plain = caller.make(root, 'plain', 0o100666, 0, 0o027)
  t.equal(modeOf(caller, plain), '100640')
  caller.setxattr(root, ACCESS, aclBytes(full))
  caller.setxattr(root, 'trusted.other', Buffer.from('value'))
  t.equal(modeOf(caller, caller.make(root, 'beside', 0o100666, 0, 0o027)), '100640')
  t.equal(modeOf(caller, caller.nameless(root, 0o100666, 0o027)), '100640')
  caller.setxattr(root, DEFAULT, aclBytes(minimal))
  t.equal(modeOf(caller, caller.make(root, 'minimal', 0o100666, 0, 0o077)), '100640')
  t.equal(
    aclOf(caller, caller.lookup(root, 'minimal')),
    none,
    'what says no more than the mode is not stored',
  )
  t.end()
})

void test('the mode follows the access ACL, and the ACL the mode', (t) => {
  const volume = TestVolume.of(t, 512)
  const { caller } = volume
  const file = caller.make(root, 'f', 0o106640)
  for (const users of [1, 20, 100, 300, 2]) {
    t.equal(caller.setxattr(file, ACCESS, aclBytes(acl(users, 'r--'))), 0)
    t.equal(modeOf(caller, file), '106740', `${users} users`)
    t.equal(caller.chmod(file, 0o4471), 0)
    t.equal(modeOf(caller, file), '104471')
    t.equal(aclOf(caller, file), acl(users, 'rwx', 'r--', '--x'))
    t.equal(caller.chmod(file, 0o6600), 0)
    t.equal(aclOf(caller, file), acl(users, '---', 'rw-', '---'))
    t.same(problemsOf(volume.medium), [])
  }
  t.equal(caller.setxattr(file, ACCESS, aclBytes(minimal)), 0)
  t.equal(modeOf(caller, file), '106750')
  t.same(caller.listxattr(file), [])
  t.equal(caller.attributes(file).blocks, 0)
  t.equal(caller.setxattr(file, ACCESS, aclBytes(acl(1)), 0, true), 0)
  t.equal(modeOf(caller, file), '104770', 'set-group-ID goes where the caller may not keep it')
  caller.chmod(file, 0o2770)
  t.equal(caller.removexattr(file, ACCESS), 0)
  t.equal(modeOf(caller, file), '102770')
  t.equal(caller.removexattr(file, ACCESS), 0, 'also where there is none')
  t.equal(caller.setxattr(file, ACCESS, aclBytes(minimal), 0, true), 0)
  t.equal(modeOf(caller, file), '100750', 'a minimal ACL takes it too')
  t.end()
})

void test('an ACL changes ctime alone, and takes the place of another', (t) => {
  const { caller } = TestVolume.of(t, 512)
  const file = caller.file(root, 'f')
  caller.setClock(epoch + 1000)
  caller.setxattr(file, ACCESS, aclBytes(full))
  caller.setxattr(file, ACCESS, aclBytes(acl(2)))
  const { ctime, mtime } = caller.attributes(file)
  t.not(ctime, mtime)
  t.same(caller.listxattr(file), [ACCESS])
  t.equal(aclOf(caller, file), acl(2))
  t.end()
})

void test('what is no ACL is refused, and changes nothing', (t) => {
  const { caller } = TestVolume.of(t, 512)
  const file = caller.file(root, 'f')
  const directory = caller.mkdir(root, 'd')
  const right = aclBytes(full)
  const old = Buffer.from(right)
  old.writeUInt32LE(1, 0)
  for (const [value, error] of [
    [right.subarray(0, right.length - 1), EINVAL],
    [right.subarray(0, 12), EINVAL],
    [aclBytes('u::rwx,u:7:r-x,g::r-x,o::r--'), EINVAL],
    [old, EOPNOTSUPP],
    [aclBytes(acl(508)), E2BIG],
  ] as const) {
    for (const inode of [file, directory])
      for (const name of [ACCESS, DEFAULT]) t.equal(caller.setxattr(inode, name, value), -error)
  }
  t.equal(caller.setxattr(file, DEFAULT, right), -EACCES)
  t.equal(caller.setxattr(file, DEFAULT, aclBytes('')), 0, 'but it may be told to have none')
  t.equal(caller.removexattr(file, DEFAULT), 0)
  t.equal(modeOf(caller, file), '100644')
  t.same(caller.listxattr(file), [])
  t.same(caller.listxattr(directory), [])
  t.equal(caller.setxattr(directory, DEFAULT, right), 0)
  t.equal(caller.setxattr(directory, DEFAULT, Buffer.alloc(0)), 0, 'no bytes remove it')
  t.same(caller.listxattr(directory), [])
  t.end()
})

void test('where there is no room for an ACL, nothing is made or changed', (t) => {
  const volume = TestVolume.of(t, 256)
  const { caller } = volume
  const parent = caller.mkdir(root, 'parent')
  const file = caller.file(root, 'f')
  t.equal(caller.setxattr(parent, DEFAULT, aclBytes(acl(300))), 0)
  t.equal(caller.setxattr(file, ACCESS, aclBytes(acl(300))), 0)
  // Room for a leaf, and none for the ACLs.
  caller.make(parent, 'first', 0o100600)
  fill(volume)
  t.equal(volume.freeBlocks, 0)
  t.equal(caller.make(parent, 'second', 0o100600), -ENOSPC)
  t.equal(caller.nameless(parent), -ENOSPC)
  t.equal(caller.lookup(parent, 'second') < 0, true)
  t.equal(modeOf(caller, file), '100770')
  t.equal(aclOf(caller, file), acl(300))
  t.same(problemsOf(volume.medium), [])
  t.end()
})

void test('on a full volume, chmod and another ACL of no more blocks go through', (t) => {
  // In the inode; in the block; in a block of its own; and the largest.
  for (const users of [1, 60, 260, 507]) {
    const volume = TestVolume.of(t, 256)
    const { caller } = volume
    const directory = caller.mkdir(root, 'd')
    t.equal(caller.setxattr(directory, 'user.other', Buffer.alloc(700)), 0)
    t.equal(caller.setxattr(directory, ACCESS, aclBytes(acl(users))), 0)
    t.equal(caller.setxattr(directory, DEFAULT, aclBytes(acl(users))), 0)
    fill(volume)
    const { blocks } = caller.attributes(directory)
    t.equal(caller.chmod(directory, 0o705), 0, `${users} users`)
    t.equal(modeOf(caller, directory), '40705')
    t.equal(aclOf(caller, directory), acl(users, '---', 'rwx', 'r-x'))
    t.equal(caller.setxattr(directory, ACCESS, aclBytes(acl(users, 'r--', 'rw-'))), 0)
    t.equal(aclOf(caller, directory), acl(users, 'r--', 'rw-'))
    t.equal(modeOf(caller, directory), '40640')
    t.equal(aclOf(caller, directory, DEFAULT), acl(users))
    t.equal(caller.attributes(directory).blocks, blocks)
    t.equal(volume.freeBlocks, 0)
    t.same(problemsOf(volume.medium), [])
  }
  t.end()
})

void test('chmod logs three words of an ACL, however many it has', (t) => {
  for (const users of [1, 60, 507]) {
    const { caller, medium } = TestVolume.of(t, 256)
    const file = caller.file(root, 'f')
    t.equal(caller.setxattr(file, ACCESS, aclBytes(acl(users))), 0)
    medium.startRecording()
    t.equal(caller.chmod(file, 0o640), 0)
    const { events } = medium.stopRecording()
    const streamed = events.filter(({ kind }) => kind === 'streamed')
    const bytes = streamed.reduce((sum, { length }) => sum + length, 0)
    t.ok(bytes <= 12 * 64, `${users} users: ${bytes} bytes of the log`)
    t.equal(aclOf(caller, file), acl(users, 'r--', 'rw-', '---'))
  }
  t.end()
})

void test('with noacl nothing inherits, and modes still agree', (t) => {
  const volume = TestVolume.of(t, 512)
  volume.caller.setxattr(root, DEFAULT, aclBytes(full))
  const before = volume.caller.make(root, 'before', 0o100666)
  volume.reopen(epoch, false)
  const { caller } = volume
  const after = caller.make(root, 'after', 0o100666, 0, 0o027)
  t.equal(modeOf(caller, after), '100640')
  for (const name of [ACCESS, DEFAULT]) {
    t.equal(caller.getxattr(root, name), -EOPNOTSUPP)
    t.equal(caller.setxattr(root, name, aclBytes(full)), -EOPNOTSUPP)
    t.equal(caller.removexattr(root, name), -EOPNOTSUPP)
  }
  for (const inode of [root, before, after]) t.same(caller.listxattr(inode), [])
  t.equal(caller.chmod(before, 0o640), 0)
  t.same(problemsOf(volume.medium), [])
  volume.reopen()
  t.equal(
    aclOf(volume.caller, volume.caller.lookup(root, 'before')),
    'u::rw-,u:7:r-x,g::r-x,g:5:rwx,m::r--,o::---',
  )
  t.end()
})

void test('an ACL on the medium that is none fails the calls that need it', (t) => {
  const volume = TestVolume.of(t, 512)
  const { caller, medium } = volume
  const parent = caller.mkdir(root, 'parent')
  caller.setxattr(parent, DEFAULT, aclBytes(full))
  const file = caller.make(parent, 'file', 0o100666)
  const damage = (inode: number): void => {
    // The version of the first ACL in the inode: behind the attribute's header.
    const block = [...Array(512).keys()].find(
      (n) =>
        medium.load32(n, (inode % 16) * layout.lengthWords + layout.word.xattrBytes) > 0 && holds(n, inode),
    )!
    const word = (inode % 16) * layout.lengthWords + layout.word.inline + xattrEntry.lengthWords
    medium.store32(block, word, 3)
  }
  const holds = (block: number, inode: number): boolean =>
    medium.load32(block, (inode % 16) * layout.lengthWords + layout.word.mode) ===
    caller.attributes(inode).mode
  damage(parent)
  damage(file)
  t.equal(caller.make(parent, 'new', 0o100666), -EUCLEAN)
  t.equal(caller.nameless(parent), -EUCLEAN)
  t.equal(caller.chmod(file, 0o600), -EUCLEAN)
  t.equal(modeOf(caller, file), '100664')
  t.type(caller.make(root, 'elsewhere', 0o100666), 'number')
  t.ok(caller.lookup(parent, 'file') > 0, 'what needs no ACL goes on')
  t.equal(caller.setxattr(parent, DEFAULT, aclBytes(full)), 0, 'and it can be set anew')
  t.ok(caller.make(parent, 'new', 0o100666) > 0)
  t.equal(caller.removexattr(file, ACCESS), 0, 'or removed')
  t.equal(caller.chmod(file, 0o600), 0)
  t.end()
})
