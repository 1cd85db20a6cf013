// SPDX-License-Identifier: GPL-2.0-only
/** Extended attributes (xattr(7)): values, names, who may use which, and when security.capability goes. */
import { constants } from 'node:fs'
import { chmod, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Test, test } from 'tap'
import { isKernelFrom } from '../../support/kernel.js'
import { outcome, type System } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { SHARED_MEMORY, temporaryDirectory } from '../../support/temporary.js'
import { ALICE, PAGE_BYTES, actor, pattern, scratch, tick } from '../fixture.js'

const { O_DIRECT, O_TRUNC, O_WRONLY } = constants
const XATTR_CREATE = 1
const XATTR_REPLACE = 2
const one = Buffer.from('1')

/** struct vfs_cap_data of version 2, with CAP_NET_RAW. */
const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex')

/** Ways in which root changes a file of 10 pages. Each takes security.capability away, also from root. */
const changes: readonly (readonly [string, (who: System, path: string) => Promise<unknown>])[] = [
  ['a write', (who, path) => withOpen(who, path, 0, (fd) => who.pwrite(fd, one, 0))],
  ['a write at the end', (who, path) => withOpen(who, path, 0, (fd) => who.pwrite(fd, one, 10 * PAGE_BYTES))],
  [
    'a direct write',
    (who, path) => withOpen(who, path, O_DIRECT, (fd) => who.directWrite(fd, pattern(PAGE_BYTES), 0)),
  ],
  [
    'a direct write at the end',
    (who, path) =>
      withOpen(who, path, O_DIRECT, (fd) => who.directWrite(fd, pattern(PAGE_BYTES), 20 * PAGE_BYTES)),
  ],
  ['truncate', (who, path) => who.truncate(path, 5)],
  ['truncate to more', (who, path) => who.truncate(path, 30 * PAGE_BYTES)],
  ['open with O_TRUNC', (who, path) => withOpen(who, path, O_TRUNC, () => Promise.resolve())],
  ['chown', (who, path) => who.chown(path, ALICE.uid, ALICE.gid)],
]

async function withOpen(
  who: System,
  path: string,
  flags: number,
  action: (fd: number) => Promise<unknown>,
): Promise<void> {
  const fd = await who.open(path, O_WRONLY | flags)
  await action(fd)
  await who.close(fd)
}

/**
 * The outcome of a stranger's setxattr(2) of security.*. Before Linux 6.11 (commit 61df7b828204), the kernel asks for
 * no capability where the BPF security module is on. It decides before it asks the file system, so the outcome must
 * then be that on tmpfs.
 */
async function outcomeOfSecurity(t: Test, stranger: System): Promise<string> {
  if (isKernelFrom(6, 11)) return 'EPERM'
  const file = join(await temporaryDirectory(t, SHARED_MEMORY), 'file')
  await writeFile(file, '')
  await chmod(dirname(file), 0o711)
  const onTmpfs = await outcome(stranger.setxattr(file, 'security.a', one))
  if (onTmpfs !== 'EPERM') t.comment(`a stranger who sets security.* on tmpfs here: ${onTmpfs}`)
  return onTmpfs
}

export function xattrSuite(target: Target): void {
  const { system: sys } = target

  void test('an extended attribute keeps its value', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/file`, '')
    await sys.mkdir(`${d}/dir`)
    for (const path of [`${d}/file`, `${d}/dir`]) {
      for (const value of [
        Buffer.alloc(0),
        Buffer.from('value'),
        pattern(60),
        pattern(1000),
        Buffer.from([0, 255, 0, 10]),
        pattern(3000),
      ]) {
        await sys.setxattr(path, 'user.name', value)
        t.equal((await sys.getxattr(path, 'user.name')).equals(value), true, `${value.length} bytes`)
      }
      await sys.setxattr(path, 'user.second', Buffer.from('2'))
      t.same([...(await sys.listxattr(path))].sort(), ['user.name', 'user.second'])
      await sys.removexattr(path, 'user.name')
      t.equal(await outcome(sys.getxattr(path, 'user.name')), 'ENODATA')
      t.equal(await outcome(sys.removexattr(path, 'user.name')), 'ENODATA')
      t.same(await sys.listxattr(path), ['user.second'])
    }
  })

  void test('values of up to 64 KiB', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    for (const size of [5000, 65535, 65536]) {
      const set = sys.setxattr(`${d}/a`, `user.${size}`, pattern(size))
      t.equal(await outcome(set), target.lacks.largeXattr ?? 'OK', `${size} bytes`)
      if (target.lacks.largeXattr !== undefined) continue
      t.ok((await sys.getxattr(`${d}/a`, `user.${size}`)).equals(pattern(size)))
    }
    t.equal(await outcome(sys.setxattr(`${d}/a`, 'user.a', Buffer.alloc(65537))), 'E2BIG')
  })

  void test('setting says whether the attribute may or must be there', async (t) => {
    const d = await scratch(t, target)
    const path = `${d}/a`
    await sys.writeFile(path, '')
    t.equal(await outcome(sys.setxattr(path, 'user.a', one, XATTR_REPLACE)), 'ENODATA')
    t.same(await sys.listxattr(path), [])
    await sys.setxattr(path, 'user.a', one, XATTR_CREATE)
    t.equal(await outcome(sys.setxattr(path, 'user.a', Buffer.from('2'), XATTR_CREATE)), 'EEXIST')
    t.same(await sys.getxattr(path, 'user.a'), one)
    await sys.setxattr(path, 'user.a', Buffer.from('3'), XATTR_REPLACE)
    t.same(await sys.getxattr(path, 'user.a'), Buffer.from('3'))
    t.equal(await outcome(sys.setxattr(path, 'user.a', one, 4)), 'EINVAL', 'no such flag')
  })

  void test('sizes of values and lists', async (t) => {
    const d = await scratch(t, target)
    const path = `${d}/a`
    await sys.writeFile(path, '')
    t.equal(await sys.listxattrInto(path, 0), 0)
    await sys.setxattr(path, 'user.name', Buffer.from('value'))
    t.equal(await sys.getxattrInto(path, 'user.name', 0), 5, 'the length alone')
    t.equal(await sys.getxattrInto(path, 'user.name', 5), 5)
    t.equal(await sys.getxattrInto(path, 'user.name', 100), 5)
    t.equal(await outcome(sys.getxattrInto(path, 'user.name', 4)), 'ERANGE')
    t.equal(await outcome(sys.getxattrInto(path, 'user.none', 0)), 'ENODATA')
    t.equal(await sys.listxattrInto(path, 0), 10)
    t.equal(await sys.listxattrInto(path, 10), 10)
    t.equal(await outcome(sys.listxattrInto(path, 9)), 'ERANGE')
  })

  void test('extended attributes belong to the file, not to the name', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    await sys.setxattr(`${d}/a`, 'user.name', Buffer.from('value'))
    await sys.link(`${d}/a`, `${d}/b`)
    await sys.rename(`${d}/a`, `${d}/c`)
    for (const name of ['b', 'c'])
      t.equal((await sys.getxattr(`${d}/${name}`, 'user.name')).toString(), 'value')
    await sys.writeFile(`${d}/a`, '')
    t.same(await sys.listxattr(`${d}/a`), [], 'a new file of the name has none')
  })

  void test('an extended attribute moves ctime alone', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    let before = await sys.stat(`${d}/a`)
    for (const change of [
      () => sys.setxattr(`${d}/a`, 'user.name', Buffer.from('value')),
      () => sys.setxattr(`${d}/a`, 'user.name', Buffer.from('other')),
      () => sys.removexattr(`${d}/a`, 'user.name'),
    ]) {
      await tick()
      await change()
      const after = await sys.stat(`${d}/a`)
      t.ok(after.ctimeNs > before.ctimeNs)
      t.equal(after.mtimeNs, before.mtimeNs)
      before = after
    }
  })

  void test('extended attributes are refused where they cannot be', async (t) => {
    const d = await scratch(t, target)
    await sys.mkfifo(`${d}/fifo`)
    await sys.writeFile(`${d}/a`, '')
    await sys.symlink('a', `${d}/link`)
    t.equal(
      await outcome(sys.setxattr(`${d}/fifo`, 'user.name', Buffer.from('x'))),
      'EPERM',
      'user. on a fifo',
    )
    t.equal(await outcome(sys.lsetxattr(`${d}/link`, 'user.name', one)), 'EPERM', 'or on a symbolic link')
    t.equal(await outcome(sys.getxattr(`${d}/fifo`, 'user.name')), 'ENODATA')
    for (const name of ['nospace', 'other.a', 'user', 'system.a'])
      t.equal(await outcome(sys.setxattr(`${d}/a`, name, Buffer.from('x'))), 'EOPNOTSUPP', name)
    t.equal(await outcome(sys.setxattr(`${d}/a`, 'user.', one)), 'EINVAL', 'a prefix alone')
    t.equal(await outcome(sys.setxattr(`${d}/a`, '', one)), 'ERANGE', 'no name')
    t.equal(await outcome(sys.getxattr(`${d}/none`, 'user.name')), 'ENOENT')
    t.equal(
      await outcome(sys.setxattr(`${d}/a`, `user.${'n'.repeat(251)}`, Buffer.from('x'))),
      'ERANGE',
      '256 bytes',
    )
    t.same(await sys.listxattr(`${d}/a`), [])
    await sys.setxattr(`${d}/a`, `user.${'n'.repeat(250)}`, one)
    t.same(await sys.listxattr(`${d}/a`), [`user.${'n'.repeat(250)}`], '255 bytes')
  })

  void test('attributes of a symbolic link, and of what it points to', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    for (const name of ['a', `${'./'.repeat(150)}a`]) {
      const link = `${d}/link${name.length}`
      await sys.symlink(name, link)
      await sys.lsetxattr(link, 'trusted.link', Buffer.from('of the link'))
      t.same(await sys.llistxattr(link), ['trusted.link'])
      t.same(await sys.listxattr(link), [])
      t.equal((await sys.lgetxattr(link, 'trusted.link')).toString(), 'of the link')
      t.equal((await sys.readlink(link)).toString(), name)
    }
  })

  void test('permissions', async (t) => {
    const d = await scratch(t, target)
    const alice = await actor(t, ALICE)
    const path = `${d}/a`
    await sys.chmod(d, 0o755)
    await sys.writeFile(path, '', 0o644)
    for (const name of ['user.a', 'trusted.a', 'security.a']) await sys.setxattr(path, name, one)
    t.same([...(await sys.listxattr(path))].sort(), ['security.a', 'trusted.a', 'user.a'])
    t.same([...(await alice.listxattr(path))].sort(), ['security.a', 'user.a'], 'trusted. is hidden')
    t.equal(await outcome(alice.getxattr(path, 'trusted.a')), 'ENODATA')
    t.equal(await outcome(alice.setxattr(path, 'trusted.a', one)), 'EPERM')
    t.equal(await outcome(alice.setxattr(path, 'security.a', one)), await outcomeOfSecurity(t, alice))
    t.same(await alice.getxattr(path, 'user.a'), one)
    t.equal(await outcome(alice.setxattr(path, 'user.a', one)), 'EACCES')
    t.equal(await outcome(alice.removexattr(path, 'user.a')), 'EACCES')
    await sys.chmod(path, 0o622)
    t.equal(await outcome(alice.getxattr(path, 'user.a')), 'EACCES')
    await alice.setxattr(path, 'user.a', Buffer.from('hers'))
    t.equal((await sys.getxattr(path, 'user.a')).toString(), 'hers')
    await sys.mkdir(`${d}/sticky`)
    await sys.chmod(`${d}/sticky`, 0o1777)
    t.equal(
      await outcome(alice.setxattr(`${d}/sticky`, 'user.a', one)),
      'EPERM',
      'of others with a sticky bit',
    )
  })

  void test('many attributes, one by one', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, '')
    const names = Array.from({ length: 50 }, (_, n) => `user.name-${n}`)
    for (const name of names) await sys.setxattr(`${d}/a`, name, Buffer.from(`value of ${name}`))
    t.same([...(await sys.listxattr(`${d}/a`))].sort(), names.slice().sort())
    for (const name of names.filter((_, n) => n % 2 === 0)) await sys.removexattr(`${d}/a`, name)
    for (const [n, name] of names.entries()) {
      const wanted = n % 2 === 0 ? 'ENODATA' : 'OK'
      t.equal(await outcome(sys.getxattr(`${d}/a`, name)), wanted, name)
      if (wanted === 'OK') t.equal((await sys.getxattr(`${d}/a`, name)).toString(), `value of ${name}`)
    }
  })

  for (const [what, change] of changes) {
    void test(`${what} takes security.capability away`, async (t) => {
      const d = await scratch(t, target)
      for (const more of [0, 1000]) {
        const path = `${d}/${more}`
        await sys.writeFile(path, pattern(10 * PAGE_BYTES))
        if (more > 0) await sys.setxattr(path, 'user.more', pattern(more))
        await sys.setxattr(path, 'security.capability', capability)
        t.same(await sys.getxattr(path, 'security.capability'), capability)
        await change(sys, path)
        t.equal(await outcome(sys.getxattr(path, 'security.capability')), 'ENODATA')
        t.same(await sys.listxattr(path), more > 0 ? ['user.more'] : [])
      }
    })
  }

  void test('what a mapping has stored leaves security.capability', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/a`, pattern(PAGE_BYTES))
    const fd = await sys.open(`${d}/a`, constants.O_RDWR)
    const mapping = await sys.map(fd, PAGE_BYTES)
    await sys.mapWrite(mapping, 0, one)
    await sys.setxattr(`${d}/a`, 'security.capability', capability)
    await sys.mapSync(mapping)
    await sys.unmap(mapping)
    await sys.fsync(fd)
    await sys.close(fd)
    t.same(await sys.getxattr(`${d}/a`, 'security.capability'), capability)
  })
}
