// SPDX-License-Identifier: GPL-2.0-only
/** Arguments that no call can mean: refused as node:fs refuses them, and nothing has changed on the volume. */
import { readFileSync } from 'node:fs'
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { type VolumeFiles, openFiles } from '../../src/api/volume-files.js'
import { temporaryDirectory } from '../support/temporary.js'
import { formattedDevice, problemsOn } from './formatted-device.js'

const outOfRange = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }
const invalidType = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }
const invalidValue = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' }
const largestFileBytes = (2 ** 32 - 1) * 4096
/** Numbers that are no 32-bit words, and what is no number. */
const noWords = [1.5, NaN, Infinity, -2, 2 ** 32, 2 ** 53] as const
const noNumbers = ['7', null, true, 7n, {}, [7]] as unknown as readonly number[]

/** A test on a volume with a file in it, at which fsck looks when it is over. */
function testFile(name: string, body: (t: Test, volume: VolumeFiles) => Promise<void>): void {
  void test(name, async (t) => {
    const path = formattedDevice(t, 2 ** 22)
    const volume = await openFiles(path)
    await volume.writeFile('/file', 'contents')
    await body(t, volume)
    await volume.close()
    t.same(problemsOn(path), [])
  })
}

testFile('lengths of truncate', async (t, volume) => {
  const size = async () => (await volume.stat('/file')).size
  for (const length of [1.5, -1.5, NaN, Infinity, -Infinity, 2 ** 53, 2 ** 64])
    await t.rejects(volume.truncate('/file', length), outOfRange, String(length))
  for (const length of noNumbers)
    await t.rejects(volume.truncate('/file', length), invalidType, typeof length)
  for (const length of [largestFileBytes + 1, 2 ** 44, 2 ** 53 - 1])
    await t.rejects(volume.truncate('/file', length), { code: 'EFBIG', syscall: 'ftruncate' }, String(length))
  t.equal(await size(), 8, 'none of these changed it')
  await t.rejects(volume.truncate('/missing', NaN), { code: 'ENOENT' }, 'the file is looked for first')
  await volume.truncate('/file', largestFileBytes)
  t.equal(await size(), largestFileBytes)
  await volume.truncate('/file', -1)
  t.equal(await size(), 0, 'below zero is zero')
  await volume.writeFile('/file', 'again')
  t.equal(await volume.readFile('/file', 'utf8'), 'again')
})

testFile('lengths of truncate mean to node:fs what they mean here', async (t, volume) => {
  const file = join(await temporaryDirectory(t), 'file')
  await writeFile(file, 'contents')
  const codeOf = (call: Promise<void>) =>
    call.then(
      () => 'ok',
      (error: unknown) => (error as { code: string }).code,
    )
  for (const length of [0, -0, -1, -(2 ** 40), 1.5, NaN, Infinity, 2 ** 53, 2 ** 64, ...noNumbers, undefined])
    t.equal(
      await codeOf(volume.truncate('/file', length)),
      await codeOf(truncate(file, length)),
      String(length),
    )
})

testFile('modes have permission bits, and no type', async (t, volume) => {
  const modeOf = async (path: string) => (await volume.stat(path)).mode.toString(8)
  for (const [n, mode] of [0o100755, 0o170755, 0o120755, 0o755, 2 ** 32 - 0o10000 + 0o755].entries()) {
    await volume.mkdir(`/d${n}`, mode)
    t.equal(await modeOf(`/d${n}`), '40755')
    await volume.chmod('/file', mode)
    t.equal(await modeOf('/file'), '100755')
  }
  const before = process.umask(0o22)
  t.teardown(() => process.umask(before))
  await volume.mkdir('/all', 0o7777)
  t.equal(await modeOf('/all'), `4${(0o1777 & ~0o22).toString(8)}`, 'set-ID bits are not for mkdir to choose')
  for (const mode of [...noWords, -1]) {
    await t.rejects(volume.mkdir('/no', mode), outOfRange, String(mode))
    await t.rejects(volume.chmod('/file', mode), outOfRange, String(mode))
  }
  // Octal digits are a mode too, and none at all is the usual one.
  for (const mode of [true, 7n, {}, [7]] as unknown as readonly number[]) {
    await t.rejects(volume.mkdir('/no', { mode }), invalidType, typeof mode)
    await t.rejects(volume.chmod('/file', mode), invalidType, typeof mode)
  }
  t.equal(await modeOf('/file'), '100755')
  await t.rejects(volume.stat('/no'), { code: 'ENOENT' })
})

testFile('owners: -1 leaves one as it is', async (t, volume) => {
  const owners = async () => {
    const { uid, gid } = await volume.stat('/file')
    return [uid, gid]
  }
  const steps: [uid: number, gid: number, wanted: number[]][] = [
    [3, 4, [3, 4]],
    [-1, 5, [3, 5]],
    [6, -1, [6, 5]],
    [2 ** 32 - 1, 2 ** 32 - 1, [6, 5]],
    [-1, -1, [6, 5]],
    [2 ** 32 - 2, 0, [2 ** 32 - 2, 0]],
  ]
  for (const [uid, gid, wanted] of steps) {
    await volume.chown('/file', uid, gid)
    t.same(await owners(), wanted)
  }
  for (const id of noWords) {
    await t.rejects(volume.chown('/file', id, 0), outOfRange, String(id))
    await t.rejects(volume.chown('/file', 0, id), outOfRange, String(id))
  }
  for (const id of [...noNumbers, undefined as unknown as number]) {
    await t.rejects(volume.chown('/file', id, 0), invalidType, typeof id)
    await t.rejects(volume.chown('/file', 0, id), invalidType, typeof id)
  }
  t.same(await owners(), [2 ** 32 - 2, 0])
  await volume.chmod('/file', 0o6755)
  await volume.chown('/file', -1, -1)
  t.equal((await volume.stat('/file')).mode & 0o7777, 0o755, 'set-user-ID and set-group-ID go all the same')
})

testFile('what a file is to hold is looked at before the file is emptied', async (t, volume) => {
  for (const data of [null, undefined, 7, {}, new ArrayBuffer(2)] as unknown as readonly string[]) {
    await t.rejects(volume.writeFile('/file', data), invalidType)
    await t.rejects(volume.writeFile('/new', data), invalidType)
  }
  t.equal(await volume.readFile('/file', 'utf8'), 'contents')
  await t.rejects(volume.stat('/new'), { code: 'ENOENT' })
  const words = new Uint16Array([0x4141, 0x4242, 0x4343]).subarray(1)
  for (const view of [words, new DataView(words.buffer, 2)]) {
    await volume.writeFile('/file', view)
    t.equal(await volume.readFile('/file', 'utf8'), 'BBCC', 'a view is the bytes below it')
  }
})

testFile('encodings of readFile', async (t, volume) => {
  t.equal(await volume.readFile('/file', 'utf-8'), 'contents')
  t.same(await volume.readFile('/file', null), new TextEncoder().encode('contents'))
  t.equal(await volume.readFile('/file', 'hex'), Buffer.from('contents').toString('hex'))
  for (const encoding of ['bogus', 'utf-7'] as unknown as readonly 'utf8'[])
    await t.rejects(volume.readFile('/file', encoding), invalidValue)
  await t.rejects(volume.readFile('/file', 7 as unknown as 'utf8'), invalidType)
})

void test('the path of a device is held to what other paths are', async (t) => {
  for (const device of [undefined, null, 5, {}] as unknown as readonly string[])
    await t.rejects(openFiles(device), { ...invalidType, message: /"device"/ })
  await t.rejects(openFiles('/dev/nu\0ll'), { ...invalidValue, message: /'device'/ })
  await t.rejects(openFiles(''), { code: 'ENOENT' })
  const path = formattedDevice(t, 2 ** 22)
  for (const device of [Buffer.from(path), new URL(`file://${path}`)]) await (await openFiles(device)).close()
})

void test('a device that is in use', async (t) => {
  const path = formattedDevice(t, 2 ** 22)
  const volume = await openFiles(path)
  t.teardown(() => volume.close())
  const ownName = readFileSync('/proc/self/comm', 'utf8').trim()
  await t.rejects(openFiles(path), {
    name: 'DeviceError',
    code: 'EBUSY',
    message: `cannot open ${path}: it is in use by process ${process.pid} (${ownName}): unmount it, or end that process`,
  })
})

testFile('paths and targets are text without NULs', async (t, volume) => {
  for (const path of [7, null, undefined, {}] as unknown as readonly string[]) {
    await t.rejects(volume.stat(path), invalidType)
    await t.rejects(volume.unlink(path), invalidType)
    await t.rejects(volume.rename('/file', path), invalidType)
    await t.rejects(volume.symlink(path, '/link'), invalidType)
  }
  await t.rejects(volume.stat('/fi\0le'), invalidValue)
  await t.rejects(volume.mkdir('/fi\0le'), invalidValue)
  await t.rejects(volume.symlink('tar\0get', '/link'), invalidValue)
  await t.rejects(volume.symlink('', '/link'), { code: 'ENOENT' })
  await t.rejects(volume.symlink('a'.repeat(4096), '/link'), { code: 'ENAMETOOLONG' })
  t.same(await volume.readdir('/'), ['file'])
})
