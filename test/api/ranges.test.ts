// SPDX-License-Identifier: GPL-2.0-only
/** What the JavaScript API has beyond node:fs and fs-xattr: holes and data, copies of ranges, flags. */
import { test } from 'tap'
import { type InodeFlags, openFiles } from '../../src/api/index.js'
import { formattedDevice, problemsOn } from './formatted-device.js'

const page = 4096

void test('holes, data, and copies of ranges', async (t) => {
  const path = formattedDevice(t, 2 ** 24)
  const volume = await openFiles(path)
  const file = await volume.open('/f', 'w+')
  await file.write(Buffer.alloc(2 * page, 'a'), 0, 2 * page, 10 * page)
  await file.truncate(2 ** 33 + 5)
  t.equal(await file.nextData(0), 10 * page)
  t.equal(await file.nextData(11 * page + 7), 11 * page + 7)
  t.equal(await file.nextHole(0), 0)
  t.equal(await file.nextHole(10 * page), 12 * page)
  t.equal(await file.nextData(12 * page), null)
  t.equal(await file.nextHole(2 ** 33), 2 ** 33)
  t.equal(await file.nextHole(2 ** 33 + 5), null)
  t.equal(await file.nextData(2 ** 52), null)
  await file.truncate(20 * page)
  t.equal(await file.nextHole(10 * page), 12 * page)

  const target = await volume.open('/g', 'w+')
  await target.write(Buffer.alloc(20 * page, 'b'))
  t.equal(await file.copyRange(9 * page, target, page, 2 * page), 2 * page)
  t.equal(await target.nextHole(0), page)
  t.same((await volume.readFile('/g')).subarray(2 * page, 3 * page), Buffer.alloc(page, 'a'))
  t.equal(await file.copyRange(19 * page, target, 30 * page, 100 * page), page, 'the source ends')
  t.equal((await target.stat()).size, 31 * page)
  await t.rejects(file.copyRange(0, file, page, 2 * page), { code: 'EINVAL', syscall: 'copy_file_range' })
  await t.rejects(file.copyRange(0, 'none' as unknown as typeof file, 0, 1), { code: 'ERR_INVALID_ARG_TYPE' })
  await t.rejects(file.copyRange(-1, target, 0, 1), { code: 'ERR_OUT_OF_RANGE' })
  const appended = await volume.open('/g', 'a')
  await t.rejects(file.copyRange(0, appended, 0, 1), { code: 'EBADF' })
  await appended.close()
  const other = await openFiles(formattedDevice(t, 2 ** 22))
  const elsewhere = await other.open('/h', 'w')
  await t.rejects(file.copyRange(0, elsewhere, 0, 1), { code: 'EXDEV' })
  await elsewhere.close()
  await other.close()
  await target.close()
  await t.rejects(file.copyRange(0, target, 0, 1), { code: 'EBADF' })
  await file.close()
  await t.rejects(file.nextData(0), { code: 'EBADF', syscall: 'lseek' })
  await volume.close()
  t.same(problemsOn(path), [])
})

void test('a copy within one file that takes several calls of the engine', async (t) => {
  const gib = 2 ** 30
  const path = formattedDevice(t, 2 ** 22)
  const volume = await openFiles(path)
  const file = await volume.open('/f', 'w+')
  await file.truncate(4 * gib)
  await file.write(Buffer.alloc(page, 'a'), 0, page, 2 * gib)
  const overlap = { code: 'EINVAL', syscall: 'copy_file_range' }
  for (const distance of [1, gib, 2 * gib - 1]) {
    await t.rejects(file.copyRange(0, file, distance, 2 * gib), overlap, `${distance} bytes further on`)
    await t.rejects(file.copyRange(distance, file, 0, 2 * gib), overlap, `${distance} bytes before`)
  }
  t.equal((await file.stat()).size, 4 * gib, 'nothing was copied')
  // What ends before its target does not overlap, nor does the end of the file move away while it is copied.
  t.equal(await file.copyRange(gib, file, 4 * gib, Number.MAX_SAFE_INTEGER), 3 * gib)
  t.equal((await file.stat()).size, 7 * gib)
  t.equal(await file.nextData(2 * gib + page), 5 * gib)
  t.equal(await file.copyRange(6 * gib, file, 5 * gib, 2 * gib), gib, 'what is not there does not overlap')
  await file.close()
  await volume.close()
  t.same(problemsOn(path), [])
})

void test('flags and projects', async (t) => {
  const path = formattedDevice(t, 2 ** 22)
  let volume = await openFiles(path)
  await volume.writeFile('/f', 'contents')
  await volume.mkdir('/d')
  const none: InodeFlags = {
    appendOnly: false,
    immutable: false,
    noatime: false,
    sync: false,
    dirsync: false,
    nodump: false,
    projectInherit: false,
    project: 0,
  }
  t.same(await volume.getFlags('/f'), none)
  await volume.setFlags('/d', { projectInherit: true, dirsync: true, project: 2 ** 32 - 1 })
  await volume.setFlags('/f', { immutable: true, noatime: true })
  await volume.setFlags('/f', { noatime: false, nodump: true }).then(
    () => t.fail('an immutable file stays as it is'),
    (error: unknown) => t.match(error, { code: 'EPERM', syscall: 'ioctl', path: '/f' }),
  )
  await volume.close()
  t.same(problemsOn(path), [])

  volume = await openFiles(path)
  t.same(await volume.getFlags('/f'), { ...none, immutable: true, noatime: true })
  t.same(await volume.getFlags('/d'), { ...none, projectInherit: true, dirsync: true, project: 2 ** 32 - 1 })
  await t.rejects(volume.writeFile('/f', ''), { code: 'EPERM' })
  await volume.setFlags('/f', { immutable: false })
  await volume.writeFile('/f', '')
  await t.rejects(volume.setFlags('/f', { dirsync: true }), { code: /^(EOPNOTSUPP|ENOTSUP)$/ })
  await t.rejects(volume.setFlags('/f', { immutable: 1 } as unknown as Partial<InodeFlags>), {
    code: 'ERR_INVALID_ARG_TYPE',
  })
  await t.rejects(volume.setFlags('/f', { other: true } as unknown as Partial<InodeFlags>), {
    code: 'ERR_INVALID_ARG_VALUE',
  })
  await t.rejects(volume.setFlags('/f', { project: -1 }), { code: 'ERR_OUT_OF_RANGE' })
  await t.rejects(volume.getFlags('/none'), { code: 'ENOENT', syscall: 'ioctl' })
  await volume.close()
})
