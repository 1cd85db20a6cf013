// SPDX-License-Identifier: GPL-2.0-only
/** Extended attributes through the JavaScript API. */
import { test } from 'tap'
import { openFiles } from '../../src/api/volume-files.js'
import { formattedDevice, problemsOn } from './formatted-device.js'

void test('extended attributes of files that are not mounted', async (t) => {
  const path = formattedDevice(t, 2 ** 22)
  let volume = await openFiles(path)
  await volume.writeFile('/file', 'contents')
  await volume.symlink('file', '/link')
  const values: readonly (readonly [name: string, value: string | Buffer])[] = [
    ['user.text', 'Grüße'],
    ['user.empty', ''],
    ['user.large', Buffer.alloc(65536, 'l')],
    ['trusted.bytes', Buffer.from([0, 255, 10])],
  ]
  for (const [name, value] of values) await volume.setAttribute('/file', name, value)
  await volume.setAttribute('/file', 'security.view', new DataView(new ArrayBuffer(8), 2, 3))
  await volume.close()
  t.same(problemsOn(path), [])

  volume = await openFiles(path, { readOnly: true })
  for (const at of ['/file', '/link']) {
    for (const [name, value] of values) t.same(await volume.getAttribute(at, name), Buffer.from(value), name)
    t.same(
      (await volume.listAttributes(at)).sort(),
      ['security.view', ...values.map(([name]) => name)].sort(),
    )
  }
  t.equal((await volume.getAttribute('/file', 'security.view')).length, 3)
  await t.rejects(volume.setAttribute('/file', 'user.text', 'x'), { code: 'EROFS', syscall: 'setxattr' })
  await t.rejects(volume.removeAttribute('/file', 'user.text'), { code: 'EROFS', syscall: 'removexattr' })
  await volume.close()

  volume = await openFiles(path)
  await volume.removeAttribute('/file', 'user.large')
  await t.rejects(volume.removeAttribute('/file', 'user.large'), { code: 'ENODATA', path: '/file' })
  await t.rejects(volume.getAttribute('/file', 'user.large'), { code: 'ENODATA', syscall: 'getxattr' })
  await t.rejects(volume.setAttribute('/file', 'none', 'x'), { code: /^(EOPNOTSUPP|ENOTSUP)$/ })
  await t.rejects(volume.setAttribute('/file', 'user.a', Buffer.alloc(65537)), { code: 'E2BIG' })
  await t.rejects(volume.setAttribute('/file', 'user.a', Buffer.alloc(2 ** 21)), { code: 'E2BIG' })
  await t.rejects(volume.getAttribute('/none', 'user.a'), { code: 'ENOENT' })
  await t.rejects(volume.listAttributes('/none'), { code: 'ENOENT' })
  await t.rejects(volume.setAttribute('/file', 'user.text', 'x', { create: true }), { code: 'EEXIST' })
  await t.rejects(volume.setAttribute('/file', 'user.new', 'x', { replace: true }), { code: 'ENODATA' })
  await volume.setAttribute('/file', 'user.text', 'Grüße', { replace: true })
  const noText = 5 as unknown as string
  await t.rejects(volume.getAttribute('/file', noText), { code: 'ERR_INVALID_ARG_TYPE' })
  await t.rejects(volume.setAttribute('/file', 'user.a', noText), { code: 'ERR_INVALID_ARG_TYPE' })
  await volume.close()
  t.same(problemsOn(path), [])
})

void test('names of extended attributes are bytes', async (t) => {
  const path = formattedDevice(t, 2 ** 22)
  const volume = await openFiles(path)
  await volume.writeFile('/file', '')
  const name = Buffer.from('user.\xff', 'latin1')
  await volume.setAttribute('/file', name, 'value')
  t.same(await volume.listAttributes('/file', 'buffer'), [name])
  t.same(await volume.listAttributes('/file', { encoding: 'latin1' }), ['user.\xff'])
  t.same(await volume.getAttribute('/file', name), Buffer.from('value'))
  for (const bad of ['user.a\0b', Buffer.from('user.\0')])
    await t.rejects(volume.setAttribute('/file', bad, ''), { code: 'EINVAL' })
  await volume.removeAttribute('/file', name)
  t.same(await volume.listAttributes('/file'), [])
  await volume.close()
  t.same(problemsOn(path), [])
})
