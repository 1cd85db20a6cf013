// SPDX-License-Identifier: GPL-2.0-only
/** FileHandle's calls that node:fs has not: room ahead of writes, holes, zeros. */
import { test } from 'tap'
import { openFiles } from '../../src/api/index.js'
import { formattedDevice } from './formatted-device.js'

const page = 4096

void test('allocate, punchHole and zeroRange', async (t) => {
  const volume = await openFiles(formattedDevice(t, 2 ** 24))
  const file = await volume.open('/f', 'w+')
  await file.allocate(0, 10 * page)
  t.equal((await file.stat()).size, 10 * page)
  t.ok((await file.stat()).blocks * 512 >= 10 * page)
  t.ok((await volume.readFile('/f')).equals(Buffer.alloc(10 * page)))
  const data = Buffer.alloc(10 * page, 'x')
  await file.write(data, 0, data.length, 0)
  const { blocks } = await file.stat()
  await file.punchHole(page - 10, 2 * page + 10)
  data.fill(0, page - 10, 3 * page)
  t.equal((await file.stat()).blocks, blocks - (2 * page) / 512)
  await file.zeroRange(9 * page + 1, 2 * page)
  t.ok(
    (await volume.readFile('/f')).equals(Buffer.concat([data.fill(0, 9 * page + 1), Buffer.alloc(page + 1)])),
  )
  await file.zeroRange(page, 100 * page, { keepSize: true })
  await file.allocate(0, 200 * page, { keepSize: true })
  t.equal((await file.stat()).size, 11 * page + 1)
  t.ok((await file.stat()).blocks * 512 >= 200 * page)
  await file.close()
  await volume.close()
  t.end()
})

void test('what they refuse', async (t) => {
  const volume = await openFiles(formattedDevice(t, 2 ** 22))
  t.teardown(() => volume.close())
  const file = await volume.open('/f', 'w+')
  await t.rejects(file.allocate(0, 2 ** 30), { code: 'ENOSPC', syscall: 'fallocate' })
  await t.rejects(file.allocate(2 ** 44, 1), { code: 'EFBIG', syscall: 'fallocate' })
  await t.rejects(file.allocate(2 ** 50, 2 ** 50), { code: 'EFBIG', syscall: 'fallocate' })
  await t.rejects(file.allocate(-1, 1), { code: 'ERR_OUT_OF_RANGE' })
  await t.rejects(file.punchHole(0, 0), { code: 'ERR_OUT_OF_RANGE' })
  await t.rejects(file.zeroRange(0.5, 1), { code: 'ERR_OUT_OF_RANGE' })
  await t.rejects(file.allocate(0, 1, { keepSize: 1 } as unknown as { keepSize: boolean }), {
    code: 'ERR_INVALID_ARG_TYPE',
  })
  t.equal((await file.stat()).size, 0)
  await file.close()
  await t.rejects(file.allocate(0, 1), { code: 'EBADF', syscall: 'fallocate' })
  const reader = await volume.open('/f', 'r')
  await t.rejects(reader.punchHole(0, 1), { code: 'EBADF', syscall: 'fallocate' })
  await reader.close()
  t.end()
})
