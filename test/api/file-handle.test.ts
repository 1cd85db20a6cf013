// SPDX-License-Identifier: GPL-2.0-only
/**
 * Files that are open: read and written by position, as node:fs does; kept while they are open, gone with their volume.
 */
import fs from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'tap'
import { openFiles } from '../../src/api/volume-files.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { type Calls, differences } from './differences.js'
import { formattedDevice, problemsOn } from './formatted-device.js'

/** What both kinds of handle have. */
interface Handle {
  read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number | null,
  ): Promise<{ bytesRead: number }>
  write(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number | null,
  ): Promise<{ bytesWritten: number }>
  write(text: string, position: number | null, encoding: BufferEncoding): Promise<{ bytesWritten: number }>
  readv(buffers: Buffer[], position?: number): Promise<{ bytesRead: number }>
  writev(buffers: Uint8Array[], position?: number): Promise<{ bytesWritten: number }>
  truncate(length: number): Promise<void>
  readFile(encoding: 'latin1'): Promise<string>
  writeFile(data: string): Promise<void>
  stat(): Promise<{ size: number }>
  close(): Promise<void>
}

type Step = (handle: Handle) => Promise<unknown>

const place = fc.oneof(fc.constant(null), fc.nat(20_000))
const size = fc.oneof(fc.nat(20), fc.nat(10_000))
const bytes = fc.tuple(size, fc.nat(255)).map(([length, value]) => Buffer.alloc(length, value))

const steps: fc.Arbitrary<[string, Step]> = fc.oneof(
  fc.tuple(size, place).map(([length, position]): [string, Step] => [
    `read ${length} at ${position}`,
    async (handle) => {
      const buffer = Buffer.alloc(length + 3, 0xee)
      const { bytesRead } = await handle.read(buffer, 2, length, position)
      return `${bytesRead} ${buffer.toString('latin1')}`
    },
  ]),
  fc
    .tuple(bytes, place)
    .map(([data, position]): [string, Step] => [
      `write ${data.length} at ${position}`,
      async (handle) => (await handle.write(data, 0, data.length, position)).bytesWritten,
    ]),
  fc
    .tuple(fc.string({ unit: 'grapheme', maxLength: 20 }), place)
    .map(([text, position]): [string, Step] => [
      `write '${text}' at ${position}`,
      async (handle) => (await handle.write(text, position, 'utf16le')).bytesWritten,
    ]),
  fc
    .array(bytes, { maxLength: 3 })
    .map((data): [string, Step] => [
      `writev ${data.length}`,
      async (handle) => (await handle.writev(data)).bytesWritten,
    ]),
  fc.nat(9000).map((position): [string, Step] => [
    `readv at ${position}`,
    async (handle) => {
      const buffers = [Buffer.alloc(10), Buffer.alloc(5000)]
      const { bytesRead } = await handle.readv(buffers, position)
      return `${bytesRead} ${Buffer.concat(buffers).toString('latin1')}`
    },
  ]),
  fc.nat(20_000).map((length): [string, Step] => [`truncate ${length}`, (handle) => handle.truncate(length)]),
  fc.constant<[string, Step]>(['readFile', (handle) => handle.readFile('latin1')]),
  fc.constant<[string, Step]>(['writeFile', (handle) => handle.writeFile('whole')]),
  fc.constant<[string, Step]>(['size', async (handle) => (await handle.stat()).size]),
)

async function outcome(step: Step, handle: Handle): Promise<unknown> {
  return step(handle).catch((error: unknown) => (error as NodeJS.ErrnoException).code)
}

void test('any steps on a handle give what they give on tmpfs', async (t) => {
  const device = formattedDevice(t, 64 * 2 ** 20)
  const volume = await openFiles(device)
  const directory = await temporaryDirectory(t, SHARED_MEMORY)
  let runs = 0
  const flags = fc.constantFrom('r', 'r+', 'w', 'w+', 'a', 'a+')
  const property = fc.asyncProperty(flags, fc.array(steps, { maxLength: 12 }), async (flag, sequence) => {
    const name = `${runs++}`
    const [real, ours] = [join(directory, name), `/${name}`]
    await fs.writeFile(real, 'as it was')
    await volume.writeFile(ours, 'as it was')
    const [wanted, got] = [await fs.open(real, flag), await volume.open(ours, flag)] as unknown as [
      Handle,
      Handle,
    ]
    try {
      for (const [what, step] of sequence) {
        const [should, is] = [await outcome(step, wanted), await outcome(step, got)]
        if (should !== is) throw new Error(`${what}: ${String(is)}, should be ${String(should)}`)
      }
    } finally {
      await wanted.close()
      await got.close()
    }
    const [left, found] = [await fs.readFile(real), await volume.readFile(ours)]
    if (!left.equals(found)) throw new Error('the files differ afterwards')
    await fs.rm(real)
    await volume.rm(ours)
  })
  await fc.assert(property, { numRuns: 150 })
  await volume.close()
  t.same(problemsOn(device), [])
})

void test('arguments of reading and writing', async (t) => {
  const use = async (
    files: Calls,
    at: string,
    call: (handle: Calls) => Promise<unknown>,
  ): Promise<unknown> => {
    const handle = (await files['open']!(`${at}/file`, 'r+')) as Calls
    try {
      return await call(handle)
    } finally {
      await handle['close']!()
    }
  }
  const buffers: readonly unknown[] = [
    Buffer.alloc(10, 1),
    new Uint16Array(4),
    new DataView(new ArrayBuffer(6)),
    Buffer.alloc(0),
    5,
  ]
  // With null for the offset, node:fs passes over what follows it.
  const offsets = [0, 3, 10, 11, -1, 1.5, '1', undefined]
  const lengths = [0, 3, 10, 11, -1, undefined, null]
  const cases = buffers.flatMap((buffer, n) =>
    offsets.flatMap((offset) =>
      // What node:fs aborts on, or passes over, is tried below.
      lengths.flatMap((length) => [
        {
          what: `read ${n} ${String(offset)} ${String(length)}`,
          call: (f: Calls, at: string) => use(f, at, (handle) => handle['read']!(buffer, offset, length, 1)),
        },
        {
          what: `write ${n} ${String(offset)} ${String(length)}`,
          call: (f: Calls, at: string) => use(f, at, (handle) => handle['write']!(buffer, offset, length, 1)),
        },
      ]),
    ),
  )
  const whole = [
    (handle: Calls) => handle['read']!(),
    (handle: Calls) => handle['read']!({ buffer: Buffer.alloc(4), position: 2 }),
    (handle: Calls) => handle['read']!({ length: 3, offset: 5 }),
    (handle: Calls) => handle['read']!(Buffer.alloc(8), { offset: 1, length: 2, position: 3 }),
    (handle: Calls) => handle['write']!(Buffer.from('abc'), { offset: 1 }),
    (handle: Calls) => handle['write']!('6162', 2, 'hex'),
    (handle: Calls) => handle['write']!('abc', 1, 'hex'),
    (handle: Calls) => handle['write']!('abc', 1, 'HEX'),
    (handle: Calls) => handle['write']!('61zz', 1, 'hex'),
    (handle: Calls) => handle['sync']!(),
    (handle: Calls) => handle['datasync']!(),
    (handle: Calls) => handle['readv']!(5),
    (handle: Calls) => handle['writev']!([5]),
    (handle: Calls) => handle['truncate']!('x'),
    (handle: Calls) => handle['close']!(),
  ].map((call, n) => ({ what: `call ${n}`, call: (f: Calls, at: string) => use(f, at, call) }))
  t.same(await differences(t, [...cases, ...whole]), [])
})

void test('lengths and positions that can mean nothing', async (t) => {
  const volume = await openFiles(formattedDevice(t, 2 ** 22))
  t.teardown(() => volume.close())
  const handle = (await volume.open('/file', 'w+')) as unknown as Calls
  const buffer = Buffer.alloc(10)
  for (const call of ['read', 'write']) {
    await t.rejects(handle[call]!(buffer, 0, 1.5, 0), { code: 'ERR_OUT_OF_RANGE' }, call)
    await t.rejects(handle[call]!(buffer, 0, '1', 0), { code: 'ERR_INVALID_ARG_TYPE' }, call)
    for (const position of [1.5, -2, NaN, -2n, 2n ** 63n])
      await t.rejects(handle[call]!(buffer, 0, 1, position), { code: 'ERR_OUT_OF_RANGE' }, String(position))
    await t.rejects(handle[call]!(buffer, 0, 1, '1'), { code: 'ERR_INVALID_ARG_TYPE' }, call)
  }
  for (const encoding of [5, 'bogus'])
    await t.rejects(handle['write']!('text', 0, encoding), { code: 'ERR_INVALID_ARG_VALUE' })
  t.equal((await volume.stat('/file')).size, 0)
})

void test('a file of 5 GB is read in parts, and refused as a whole', async (t) => {
  const device = formattedDevice(t, 2 ** 24)
  const volume = await openFiles(device)
  const length = 5 * 2 ** 30
  const end = Buffer.from('the end')
  const handle = await volume.open('/large', 'w+')
  await handle.truncate(length)
  await handle.write(end, 0, end.length, length - end.length)
  t.equal((await handle.stat()).size, length)
  t.equal((await handle.stat({ bigint: true })).size, BigInt(length))
  const buffer = Buffer.alloc(100, 0xff)
  for (const position of [length - 50, BigInt(length - 50)]) {
    t.equal((await handle.read(buffer, 0, 100, position)).bytesRead, 50)
    t.ok(buffer.subarray(0, 50).equals(Buffer.concat([Buffer.alloc(43), end])))
  }
  await t.rejects(volume.readFile('/large'), { code: 'ERR_FS_FILE_TOO_LARGE', message: /5368709120/ })
  await t.rejects(handle.readFile(), { code: 'ERR_FS_FILE_TOO_LARGE' })
  t.equal((await handle.read(buffer, 0, 100, 2n ** 62n)).bytesRead, 0)
  await t.rejects(handle.write(end, 0, 7, 2n ** 62n), { code: 'EFBIG' })
  await volume.close()
  t.same(problemsOn(device), [])
})

void test('an unlinked file lives until its last handle is closed', async (t) => {
  const device = formattedDevice(t, 2 ** 22)
  const volume = await openFiles(device)
  await volume.writeFile('/file', 'contents')
  const [first, second] = [await volume.open('/file', 'r+'), await volume.open('/file')]
  await volume.unlink('/file')
  t.equal((await first.stat()).nlink, 0)
  await first.write('C', 0)
  await first.close()
  await first.close()
  t.equal(await second.readFile('utf8'), 'Contents')
  await volume.writeFile('/file', 'another')
  await second.close()
  await t.rejects(second.stat(), { code: 'EBADF' })
  t.equal(await volume.readFile('/file', 'utf8'), 'another')

  const replaced = await volume.open('/file')
  await volume.writeFile('/over', 'over')
  await volume.rename('/over', '/file')
  t.equal(await replaced.readFile('utf8'), 'another')
  await volume.unlink('/file')
  await volume.close()
  t.same(problemsOn(device), [], 'closing the volume frees what is still open')
})

void test('space comes back when the last handle is closed', async (t) => {
  const volume = await openFiles(formattedDevice(t, 2 ** 22))
  t.teardown(() => volume.close())
  const half = Buffer.alloc(2.5 * 2 ** 20, 7)
  const handle = await volume.open('/file', 'w')
  await handle.writeFile(half)
  await volume.unlink('/file')
  await t.rejects(volume.writeFile('/other', half), { code: 'ENOSPC' })
  await handle.close()
  await volume.writeFile('/other', half)
})

void test('a closed volume says EBADF, and closing it twice is harmless', async (t) => {
  const volume = await openFiles(formattedDevice(t, 2 ** 22))
  await volume.writeFile('/file', 'x')
  const handle = await volume.open('/file', 'r+')
  const parts = async function* () {
    yield 'one'
    await volume.close()
    yield 'two'
  }
  await t.rejects(volume.writeFile('/parts', parts()), { code: 'EBADF' })
  await volume.close()
  await volume.close()
  await volume[Symbol.asyncDispose]()
  const files = volume as unknown as Calls
  const one = [
    'stat',
    'lstat',
    'access',
    'readFile',
    'truncate',
    'readdir',
    'mkdir',
    'readlink',
    'unlink',
    'rmdir',
    'rm',
    'open',
  ]
  for (const call of one) await t.rejects(files[call]!('/file'), { code: 'EBADF' }, call)
  for (const call of ['writeFile', 'appendFile', 'symlink', 'link', 'rename'])
    await t.rejects(files[call]!('/file', '/x'), { code: 'EBADF' }, call)
  await t.rejects(volume.chmod('/file', 1), { code: 'EBADF' })
  for (const call of ['chown', 'lchown', 'utimes', 'lutimes'])
    await t.rejects(files[call]!('/file', 1, 1), { code: 'EBADF' }, call)
  const held = handle as unknown as Calls
  for (const call of ['read', 'readFile', 'stat', 'truncate', 'sync', 'datasync'])
    await t.rejects(held[call]!(), { code: 'EBADF' }, call)
  for (const call of ['write', 'writeFile', 'appendFile'])
    await t.rejects(held[call]!('x'), { code: 'EBADF' }, call)
  for (const call of ['readv', 'writev']) await t.rejects(held[call]!([]), { code: 'EBADF' }, call)
  await t.rejects(handle.chmod(1), { code: 'EBADF' })
  await t.rejects(handle.chown(1, 1), { code: 'EBADF' })
  await t.rejects(handle.utimes(1, 1), { code: 'EBADF' })
  await handle.close()
})
