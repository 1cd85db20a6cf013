// SPDX-License-Identifier: GPL-2.0-only
/** Devices: their kinds, sizes and domains, who is locked out, and what their windows show. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { PERSIST_CACHE_LINES, PERSIST_PAGES, type Mapping, native } from '../../src/native/index.js'
import {
  type Device,
  DeviceError,
  createFileDevice,
  createMemoryDevice,
  openDevice,
  windowLimitBytes,
} from '../../src/pmem/device.js'
import { deviceError } from '../../src/pmem/device-error.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'

const mib = 2 ** 20
const exclusively = { access: 'read-write', exclusive: true } as const
const shared = { access: 'read-write', exclusive: false } as const
const toRead = { access: 'read-only', exclusive: false } as const

/** The device, closed when the test is over. */
function closing(t: Test, device: Device): Device {
  t.teardown(() => device.close())
  return device
}

/** A window's bytes, unmapped when the test is over. */
function bytesOf(t: Test, mapping: Mapping): Uint8Array {
  t.teardown(() => native.unmap(mapping, null))
  return new Uint8Array(native.view(mapping))
}

/** The error that `action` throws. */
function errorOf(action: () => unknown): DeviceError {
  try {
    action()
  } catch (error) {
    if (error instanceof DeviceError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** A disk of 3 MiB and one sector on a file of the folder. */
async function loopDisk(t: Test): Promise<string> {
  const backing = join(await temporaryDirectory(t), 'disk')
  writeFileSync(backing, '')
  truncateSync(backing, 3 * mib + 512)
  const disk = execFileSync('losetup', ['--find', '--show', backing], { encoding: 'utf8' }).trim()
  t.teardown(() => execFileSync('losetup', ['--detach', disk]))
  return disk
}

void test('a file on a disk is made durable by pages', async (t) => {
  const path = join(await temporaryDirectory(t), 'file')
  const device = closing(t, createFileDevice(path, 5 * mib))
  t.match(device, { path, kind: 'file', access: 'read-write', sizeBytes: 5 * mib, alignBytes: 4096 })
  t.match(device.domain, { name: 'pages', volatile: false, how: PERSIST_PAGES })
  t.equal(statSync(path).size, 5 * mib)
  t.equal(statSync(path).blocks, 0, 'sparse')
  t.equal(statSync(path).mode & 0o777, 0o600)
})

void test('a file in RAM is volatile, and flushed by cache lines', async (t) => {
  const path = join(await temporaryDirectory(t, SHARED_MEMORY), 'file')
  const device = closing(t, createFileDevice(path, 2 * mib))
  t.match(device.domain, { name: 'cache-lines', volatile: true, how: PERSIST_CACHE_LINES })
})

void test('a memory device is volatile, and others open it by its path', (t) => {
  const device = closing(t, createMemoryDevice(3 * 2 ** 30))
  t.match(device, { kind: 'file', sizeBytes: 3 * 2 ** 30 })
  t.match(device.domain, { name: 'cache-lines', volatile: true, how: PERSIST_CACHE_LINES })
  const other = closing(t, openDevice(device.path, exclusively))
  t.strictSame(other.domain, device.domain)
  const last = 3 * 2 ** 30 - mib
  bytesOf(t, device.mapWindow(last, mib, 'read-write'))[mib - 1] = 42
  t.equal(bytesOf(t, other.mapWindow(last, mib, 'read-only'))[mib - 1], 42)
  t.equal(errorOf(() => createMemoryDevice(0)).code, 'EINVAL')
  t.end()
})

void test('an existing file is extended, never cut', async (t) => {
  const path = join(await temporaryDirectory(t), 'file')
  writeFileSync(path, 'kept')
  closing(t, createFileDevice(path, mib)).close()
  t.equal(statSync(path).size, mib)
  t.equal(createAndClose(path, 4096).sizeBytes, mib)
  t.equal(readFileSync(path).subarray(0, 5).toString(), 'kept\0')
  t.equal(errorOf(() => createFileDevice(path, -1)).code, 'EINVAL')
  t.equal(errorOf(() => createFileDevice('/dev/null', mib)).code, 'EINVAL')
  t.equal(errorOf(() => createFileDevice(join(path, 'below'), mib)).code, 'ENOTDIR')
})

void test('a new file that is of no use is removed while it is locked', async (t) => {
  const folder = await temporaryDirectory(t)
  const map = native.map.bind(native)
  t.teardown(() => (native.map = map))
  const other = join(folder, 'other')
  const use = (path: string) => {
    native.map = () => {
      t.equal(errorOf(() => openDevice(path, exclusively)).code, 'EBUSY')
      return -12
    }
    t.equal(errorOf(() => createFileDevice(path, mib)).code, 'ENOMEM')
  }
  use(join(folder, 'new'))
  writeFileSync(other, 'kept')
  use(other)
  t.same(readdirSync(folder), ['other'], 'one that was there is kept')
})

function createAndClose(path: string, sizeBytes: number): Device {
  const device = createFileDevice(path, sizeBytes)
  device.close()
  return device
}

void test('a file that cannot be as long is not left behind', async (t) => {
  const path = join(await temporaryDirectory(t), 'file')
  const error = errorOf(() => createFileDevice(path, 2 ** 53 - 1))
  t.equal(error.code, 'EFBIG')
  t.match(error.message, path)
  t.equal(existsSync(path), false)
})

void test('a block device has its true size, and needs pages', async (t) => {
  const disk = await loopDisk(t)
  const device = closing(t, openDevice(disk, exclusively))
  t.match(device, { kind: 'block', sizeBytes: 3 * mib + 512, alignBytes: 4096 })
  t.match(device.domain, { name: 'pages', how: PERSIST_PAGES })
  const bytes = bytesOf(t, device.mapWindow(2 * mib, mib, 'read-write'))
  bytes.fill(7)
  const fd = openSync(disk, 'r')
  t.teardown(() => closeSync(fd))
  const read = Buffer.alloc(1)
  readSync(fd, read, 0, 1, 3 * mib - 1)
  t.equal(read[0], 7)
})

void test('a block device is held by one, and by no mount', async (t) => {
  const disk = await loopDisk(t)
  const first = openDevice(disk, exclusively)
  const error = errorOf(() => openDevice(disk, exclusively))
  t.equal(error.code, 'EBUSY')
  t.match(error.message, `cannot open ${disk}: it is in use`)
  closing(t, openDevice(disk, toRead)).close()
  first.close()
  openDevice(disk, exclusively).close()

  execFileSync('mkfs.ext4', ['-q', disk])
  const folder = await temporaryDirectory(t)
  t.equal(native.mount(disk, folder, 'ext4', 0, ''), 0)
  t.teardown(() => native.umount(folder, 2))
  t.equal(errorOf(() => openDevice(disk, exclusively)).code, 'EBUSY')
  t.equal(native.umount(folder, 0), 0)
  openDevice(disk, exclusively).close()
})

void test('a device that may not be written to is refused, with the reason', async (t) => {
  const backing = join(await temporaryDirectory(t), 'disk')
  writeFileSync(backing, '')
  truncateSync(backing, 3 * mib)
  const losetup = ['--read-only', '--find', '--show', backing]
  const disk = execFileSync('losetup', losetup, { encoding: 'utf8' }).trim()
  t.teardown(() => execFileSync('losetup', ['--detach', disk]))
  const error = errorOf(() => openDevice(disk, exclusively))
  t.equal(error.code, 'EROFS')
  t.equal(error.message, `cannot write to ${disk}: it is write-protected, or its file system is read-only`)
  closing(t, openDevice(disk, { access: 'read-only', exclusive: true }))

  // What root meets with an immutable file; to make one takes a file system and a capability that not all have.
  t.match(
    deviceError('EPERM', 'cannot open file').message,
    /not permitted, not even to root: it may be immutable/,
  )
})

void test('a short look at a block device by another does not disturb', async (t) => {
  const disk = await loopDisk(t)
  // As udev does when a writer has closed it.
  const looker = spawn('flock', ['--shared', disk, 'sh', '-c', 'echo locked; sleep 0.3'])
  await once(looker.stdout, 'data')
  const before = performance.now()
  openDevice(disk, exclusively).close()
  t.ok(performance.now() - before > 100, 'it waited')
  if (looker.exitCode === null) await once(looker, 'exit')
})

void test('a file is locked until it is closed and its last window is unmapped', async (t) => {
  for (const parent of [undefined, SHARED_MEMORY]) {
    const path = join(await temporaryDirectory(t, parent), 'file')
    const first = createFileDevice(path, mib)
    const error = errorOf(() => openDevice(path, exclusively))
    t.equal(error.code, 'EBUSY')
    t.match(error.message, `cannot lock ${path}: it is in use`)
    t.equal(errorOf(() => createFileDevice(path, 2 * mib)).code, 'EBUSY')
    t.equal(statSync(path).size, mib, 'what is in use is not extended')
    t.equal(errorOf(() => openDevice(path, { access: 'read-only', exclusive: true })).code, 'EBUSY')
    openDevice(path, shared).close()
    const script = `import { openDevice } from '${new URL('../../src/pmem/device.js', import.meta.url).href}'
      try { openDevice('${path}', { access: 'read-write', exclusive: true }) } catch (error) { console.log(error.code) }`
    const elsewhere = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    })
    t.equal(elsewhere.trim(), 'EBUSY', 'in another process')

    const window = first.mapWindow(0, mib, 'read-write')
    first.close()
    first.close()
    t.equal(errorOf(() => openDevice(path, exclusively)).code, 'EBUSY', 'a window is still mapped')
    native.unmap(window, null)
    openDevice(path, exclusively).close()
  }
})

void test('windows show their part of the device, each in its mode', async (t) => {
  const path = join(await temporaryDirectory(t, SHARED_MEMORY), 'file')
  const device = closing(t, createFileDevice(path, 6 * 2 ** 30))
  const far = 5 * 2 ** 30
  const window = bytesOf(t, device.mapWindow(far, windowLimitBytes, 'read-write'))
  t.equal(window.length, windowLimitBytes)
  window[windowLimitBytes - 1] = 8
  window[0] = 9
  const read = bytesOf(t, device.mapWindow(far, 4096, 'read-only'))
  t.equal(read[0], 9)
  const copied = bytesOf(t, device.mapWindow(far, 4096, 'copy-on-write'))
  copied[0] = 10
  t.equal(window[0], 9)
  t.equal(native.zero(device.mapWindow(0, 4096, 'read-only'), 0, 8), -13, 'EACCES')
  const fd = openSync(path, 'r')
  t.teardown(() => closeSync(fd))
  const last = Buffer.alloc(1)
  readSync(fd, last, 0, 1, 6 * 2 ** 30 - 1)
  t.equal(last[0], 8)
})

void test('windows that cannot be', async (t) => {
  const path = join(await temporaryDirectory(t, SHARED_MEMORY), 'file')
  const device = closing(t, createFileDevice(path, 3 * 2 ** 30))
  for (const [offset, length] of [
    [0, 0],
    [0, -4096],
    [-4096, 4096],
    [3 * 2 ** 30, 4096],
    [3 * 2 ** 30 - 4096, 8192],
    [1, 4096],
    [0, windowLimitBytes + 4096],
    [0, 0.5],
    [Number.NaN, 4096],
  ] as const) {
    const error = errorOf(() => device.mapWindow(offset, length, 'read-write'))
    t.equal(error.code, 'EINVAL', `${length} at ${offset}`)
    t.match(error.message, path)
  }
  const reader = closing(t, openDevice(path, toRead))
  t.equal(reader.access, 'read-only')
  t.strictSame(reader.domain, device.domain)
  t.equal(errorOf(() => reader.mapWindow(0, 4096, 'read-write')).code, 'EACCES')
  bytesOf(t, reader.mapWindow(0, 4096, 'copy-on-write'))[0] = 1
  t.equal(bytesOf(t, reader.mapWindow(0, 4096, 'read-only'))[0], 0)
  reader.close()
  t.equal(errorOf(() => reader.mapWindow(0, 4096, 'read-only')).code, 'EBADF')
})

void test('what is no device is refused, with a word on what to do', async (t) => {
  const folder = await temporaryDirectory(t)
  const empty = join(folder, 'empty')
  writeFileSync(empty, '')
  const dangling = join(folder, 'dangling')
  symlinkSync(join(folder, 'missing'), dangling)
  for (const [path, code, says] of [
    [join(folder, 'missing'), 'ENOENT', /there is no such file or device/],
    [dangling, 'ENOENT', /there is no such file or device/],
    [folder, 'EINVAL', /neither a regular file nor a block device nor devdax/],
    ['/dev/null', 'EINVAL', /neither a regular file nor a block device nor devdax/],
    [empty, 'EINVAL', /it is empty/],
    ['/proc/self/status', 'EINVAL', /it is empty/],
  ] as const) {
    const error = errorOf(() => openDevice(path, toRead))
    t.equal(error.code, code)
    t.match(error.message, says)
    t.match(error.message, path)
    t.equal(error.name, 'DeviceError')
  }
  t.equal(errorOf(() => createFileDevice(dangling, mib)).code, 'EEXIST')
  unlinkSync(dangling)
})

void test('what was removed or replaced before it could be locked is not opened', async (t) => {
  const folder = await temporaryDirectory(t, SHARED_MEMORY)
  const path = join(folder, 'device')
  const lockFile = native.lockFile.bind(native)
  t.teardown(() => (native.lockFile = lockFile))
  const descriptors = readdirSync('/proc/self/fd').length
  const create = (): Device => createFileDevice(path, 4096)
  const ways = [
    { open: () => openDevice(path, exclusively), isNew: false },
    { open: create, isNew: false },
    { open: create, isNew: true },
  ]
  for (const { open, isNew, isReplaced } of ways.flatMap((way) => [
    { ...way, isReplaced: false },
    { ...way, isReplaced: true },
  ])) {
    if (isNew) rmSync(path, { force: true })
    else writeFileSync(path, Buffer.alloc(4096))
    native.lockFile = (fd, exclusive) => {
      renameSync(path, `${path}-before`)
      if (isReplaced) writeFileSync(path, Buffer.alloc(4096))
      return lockFile(fd, exclusive)
    }
    t.match(errorOf(open), { code: 'ENOENT' })
    t.equal(existsSync(path), isReplaced, "what is another's by now is kept")
    native.lockFile = lockFile
    t.equal(readdirSync('/proc/self/fd').length, descriptors)
  }
})

void test('how much of a file has its blocks', async (t) => {
  for (const folder of [await temporaryDirectory(t, SHARED_MEMORY), await temporaryDirectory(t)]) {
    const fd = openSync(join(folder, 'file'), 'w+')
    ftruncateSync(fd, 16 * mib)
    const bytes = (startMib: number, mebibytes: number) =>
      native.allocatedBytes(fd, startMib * mib, mebibytes * mib) / mib
    t.equal(bytes(0, 16), 0)
    for (const n of [2, 3, 8, 15]) writeSync(fd, Buffer.alloc(mib, 'x'), 0, mib, n * mib)
    fsyncSync(fd)
    t.equal(bytes(0, 16), 4)
    t.equal(bytes(0, 20), 4, 'there is nothing behind its end')
    t.equal(bytes(3, 5), 1)
    t.equal(bytes(8, 1), 1)
    t.equal(bytes(9, 6), 0)
    t.equal(native.allocatedBytes(fd, 2 * mib + 4096, 8192), 8192)
    t.equal(bytes(0, 0), 0)
    t.equal(bytes(20, 1), 0)
    // More pieces than the kernel tells at once.
    for (let n = 0; n < 200; n++) writeSync(fd, Buffer.alloc(4096, 'x'), 0, 4096, 4 * mib + n * 12288)
    fsyncSync(fd)
    t.equal(native.allocatedBytes(fd, 4 * mib, 4 * mib), 200 * 4096)
    closeSync(fd)
  }
  t.ok(native.allocatedBytes(-1, 0, 1) < 0)
})
