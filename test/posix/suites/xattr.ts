// SPDX-License-Identifier: GPL-2.0-only
/** Extended attributes of the `user.` namespace; or the one refusal that the target names. */
import { test } from 'tap'
import { outcome } from '../../support/system.js'
import type { Target } from '../../support/target.js'
import { pattern, scratch, tick } from '../fixture.js'

export function xattrSuite(target: Target): void {
  const { system: sys } = target

  if (target.lacks.userXattr !== undefined) {
    const refusal = target.lacks.userXattr
    void test('extended attributes are refused', async (t) => {
      const d = await scratch(t, target)
      await sys.writeFile(`${d}/a`, '')
      for (const path of [d, `${d}/a`]) {
        t.equal(await outcome(sys.setxattr(path, 'user.name', Buffer.from('value'))), refusal, 'set')
        t.equal(await outcome(sys.getxattr(path, 'user.name')), refusal, 'get')
        t.equal(await outcome(sys.removexattr(path, 'user.name')), refusal, 'remove')
      }
    })
    return
  }

  void test('an extended attribute keeps its value', async (t) => {
    const d = await scratch(t, target)
    await sys.writeFile(`${d}/file`, '')
    await sys.mkdir(`${d}/dir`)
    for (const path of [`${d}/file`, `${d}/dir`]) {
      for (const value of [
        Buffer.alloc(0),
        Buffer.from('value'),
        pattern(1000),
        Buffer.from([0, 255, 0, 10]),
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
    const before = await sys.stat(`${d}/a`)
    await tick()
    await sys.setxattr(`${d}/a`, 'user.name', Buffer.from('value'))
    const after = await sys.stat(`${d}/a`)
    t.ok(after.ctimeNs > before.ctimeNs)
    t.equal(after.mtimeNs, before.mtimeNs)
  })

  void test('extended attributes are refused where they cannot be', async (t) => {
    const d = await scratch(t, target)
    await sys.mkfifo(`${d}/fifo`)
    await sys.writeFile(`${d}/a`, '')
    t.equal(
      await outcome(sys.setxattr(`${d}/fifo`, 'user.name', Buffer.from('x'))),
      'EPERM',
      'user. on a fifo',
    )
    t.equal(await outcome(sys.setxattr(`${d}/a`, 'nospace', Buffer.from('x'))), 'EOPNOTSUPP', 'no namespace')
    t.equal(await outcome(sys.getxattr(`${d}/none`, 'user.name')), 'ENOENT')
    t.equal(
      await outcome(sys.setxattr(`${d}/a`, `user.${'n'.repeat(251)}`, Buffer.from('x'))),
      'ERANGE',
      '256 bytes',
    )
    t.same(await sys.listxattr(`${d}/a`), [])
  })
}
