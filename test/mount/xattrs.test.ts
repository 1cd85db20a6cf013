// SPDX-License-Identifier: GPL-2.0-only
/** Extended attributes by the programs that set, copy and pack them, and what asking for one costs. */
import { constants } from 'node:fs'
import { join } from 'node:path'
import tap from 'tap'
import { requestCost } from '../support/request-cost.js'
import { finish, run } from '../support/run-command.js'
import { System, outcome } from '../support/system.js'
import { TestMount } from '../support/test-mount.js'

tap.setTimeout(300_000)

const large = 'x'.repeat(5000)
const longest = Buffer.alloc(65536, 'v')

/** Everything that getfattr(1) prints of a tree, without its place. */
async function attributesOf(top: string): Promise<string> {
  return run('getfattr', ['-R', '-h', '-d', '-m', '-', '-e', 'hex', '--absolute-names', top]).then((text) =>
    text.replaceAll(top, ''),
  )
}

/** A tree with attributes of all kinds. */
async function plant(top: string): Promise<void> {
  await run('mkdir', ['-p', `${top}/directory`])
  await run('sh', ['-c', `echo contents >${top}/file; : >${top}/directory/empty; ln -s file ${top}/link`])
  await run('setfattr', ['-n', 'user.small', '-v', 'small', `${top}/file`])
  await run('setfattr', ['-n', 'user.large', '-v', large, `${top}/file`])
  await run('setfattr', ['-n', 'user.empty', `${top}/file`])
  await run('setfattr', ['-n', 'user.of-a-directory', '-v', '0x00ff0a', `${top}/directory`])
  await run('setfattr', ['-n', 'trusted.secret', '-v', 'root', `${top}/directory/empty`])
  await run('setfattr', ['-h', '-n', 'trusted.link', '-v', 'of the link', `${top}/link`])
}

void tap.test('setfattr, getfattr, cp, tar and rsync', async (t) => {
  const mount = await TestMount.mounted(t, '64M')
  const at = (name: string): string => join(mount.mountpoint, name)
  await plant(at('tree'))
  const wanted = await attributesOf(at('tree'))
  t.equal(wanted.match(/^(user|trusted)\./gm)?.length, 6, 'all are told')

  await run('cp', ['-a', at('tree'), at('copy')])
  t.equal(await attributesOf(at('copy')), wanted, 'cp -a')
  const tar = ['--xattrs', '--xattrs-include=*']
  await run('tar', [...tar, '-C', at('tree'), '-cf', at('tree.tar'), '.'])
  await run('mkdir', [at('unpacked')])
  await run('tar', [...tar, '-C', at('unpacked'), '-xf', at('tree.tar')])
  t.equal(await attributesOf(at('unpacked')), wanted, 'tar --xattrs')
  await run('rsync', ['-aX', `${at('tree')}/`, `${at('synchronised')}/`])
  t.equal(await attributesOf(at('synchronised')), wanted, 'rsync -X')
  t.equal(
    await run('rsync', ['-aXi', `${at('tree')}/`, `${at('synchronised')}/`]),
    '',
    'and nothing is left to do',
  )

  await run('setfattr', ['-x', 'user.large', `${at('copy')}/file`])
  const gone = await finish('getfattr', ['-n', 'user.large', `${at('copy')}/file`])
  t.match(gone.output, /No such attribute/)

  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
  await mount.mount()
  t.equal(await attributesOf(at('tree')), wanted, 'after a mount')

  const system = await System.start()
  t.teardown(() => system.stop())
  await system.setxattr(`${at('tree')}/file`, 'user.longest', longest)
  await mount.remount('-o', 'ro')
  t.ok((await system.getxattr(`${at('tree')}/file`, 'user.longest')).equals(longest), 'read-only')
  t.equal(await outcome(system.setxattr(`${at('tree')}/file`, 'user.a', Buffer.from('x'))), 'EROFS')
  t.equal(await outcome(system.removexattr(`${at('tree')}/file`, 'user.small')), 'EROFS')
})

void tap.test('one request for each call', async (t) => {
  const mount = await TestMount.mounted(t, '64M')
  const system = await System.start()
  t.teardown(() => system.stop())
  const path = join(mount.mountpoint, 'file')
  await system.writeFile(path, 'contents')
  // The way there.
  await system.stat(path)
  const cost = (action: () => Promise<unknown>) => requestCost(mount, action)
  for (const value of [Buffer.alloc(0), Buffer.alloc(60), Buffer.alloc(1000), longest]) {
    const what = `${value.length} bytes`
    t.same(await cost(() => system.setxattr(path, 'user.a', value)), { SETXATTR: 1 }, `${what} are set`)
    const read = await cost(() => system.getxattrInto(path, 'user.a', 65536))
    t.same(read, { GETXATTR: 1 }, 'and read')
  }
  t.same(await cost(() => system.listxattrInto(path, 65536)), { LISTXATTR: 1 })
  t.same(await cost(() => system.removexattr(path, 'user.a')), { REMOVEXATTR: 1 })
  const fd = await system.open(path, constants.O_WRONLY)
  await system.pwrite(fd, Buffer.alloc(4096), 0)
  const writes = await cost(async () => {
    for (let n = 0; n < 50; n++) await system.pwrite(fd, Buffer.alloc(4096), 4096 * (n % 10))
  })
  t.same(
    writes,
    { WRITE: 50 },
    'a write asks for none, but for the first after its attributes were asked for',
  )
  await system.close(fd)
})
