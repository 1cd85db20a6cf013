// SPDX-License-Identifier: GPL-2.0-only
/** The FUSE exchange, against the kernel: a mount that a worker thread serves. */
import { closeSync, ftruncateSync, openSync } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { EHWPOISON, LOCK_WAITED, exchangeBlock, failureWord, native } from '../../src/native/index.js'
import { BadDevice } from '../support/bad-device.js'
import { type TearsDown, temporaryDirectory } from '../support/temporary.js'
import { type FuseServer, counters, layout, startFuseServer } from './fuse-server.js'
import { type Memory, anonymous, errno, memoryOf } from './memory.js'

/** MNT_FORCE | MNT_DETACH of umount2(2): ends every request that waits, with an error. */
const forceAndDetach = 1 | 2
const hangMs = 20_000

interface Mount {
  readonly path: string
  readonly fd: number
  readonly server: FuseServer
  readonly memory: Memory
}

/** Fails, instead of hanging, if the kernel or the server does not answer. */
async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  const abort = new AbortController()
  const late = sleep(hangMs, undefined, { signal: abort.signal }).then(() => {
    throw new Error(`${what}: no answer`)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    late.catch(() => undefined)
    abort.abort()
  }
}

async function mountServer(t: TearsDown): Promise<Mount> {
  const memory = anonymous(t, layout.totalBytes)
  for (let i = 0; i < layout.fileBytes; i++) memory.bytes[layout.file + i] = (i * 7 + (i >> 8)) % 256
  // What earlier tests have met is no news.
  memory.words[exchangeBlock.attended] = new Int32Array(native.failures())[failureWord.attention]!
  const path = await temporaryDirectory(t)
  const fd = openSync('/dev/fuse', 'r+')
  const server = startFuseServer({ fd, mapping: memory.mapping })
  t.teardown(async () => {
    // In this order whatever failed: nobody can wait for the mount any more, then the server ends.
    native.umount(path, forceAndDetach)
    closeSync(fd)
    await server.stop()
  })
  const options = `fd=${fd},rootmode=40000,user_id=0,group_id=0,allow_other`
  const mounted = native.mount('pmfs2-test', path, 'fuse', 0, options)
  if (mounted !== 0) throw new Error(`mount: ${mounted}`)
  return { path, fd, server, memory }
}

void test('a mount is served until it is unmounted', async (t) => {
  const { path, server, memory } = await mountServer(t)
  const before = Math.floor(Date.now() / 1000)
  t.ok((await within('stat', stat(path))).isDirectory())
  t.equal((await within('stat', stat(join(path, 'pieces')))).size, layout.fileBytes)
  await t.rejects(within('stat', stat(join(path, 'missing'))), { code: 'ENOENT' })
  const arrived = memory.words[counters.arrivedSeconds]!
  t.ok(arrived >= before && arrived <= Date.now() / 1000, 'requests are stamped with the time')
  t.ok(memory.words[exchangeBlock.nanoseconds]! >= 0 && memory.words[exchangeBlock.nanoseconds]! < 1e9)
  t.equal(native.umount(path, 0), 0)
  t.equal(await within('the server', server.ended), -errno.ENODEV)
  t.equal(memory.words[exchangeBlock.replyBytes], 0)
  t.equal(memory.words[counters.lastReplyErrno], 0)
})

void test('a reply takes its data from pieces of mapped memory', async (t) => {
  const { path, memory } = await mountServer(t)
  const file = await within('open', open(join(path, 'pieces')))
  t.teardown(() => file.close())
  for (const [offset, length] of [
    [0, layout.fileBytes],
    [0, 1],
    [4095, 1022],
    [5, 1023],
    [60_000, 5536],
  ] as const) {
    const data = Buffer.alloc(length)
    t.equal((await within('read', file.read(data, 0, length, offset))).bytesRead, length)
    const expected = memory.bytes.subarray(layout.file + offset, layout.file + offset + length)
    t.equal(Buffer.compare(data, expected), 0, `${length} at ${offset}`)
  }
  t.equal((await within('read', file.read(Buffer.alloc(10), 0, 10, layout.fileBytes))).bytesRead, 0)
  await file.close()
  t.equal(memory.words[counters.lastReplyErrno], 0)
})

void test('a reply that the kernel does not take is told, and the server goes on', async (t) => {
  const { path, server, memory } = await mountServer(t)
  await within('stat', stat(path))
  await halt(server, memory)
  // A reply to a request that never was, as to one that was interrupted meanwhile.
  memory.words.set([16, 0, 0x7ffffff0, 0], exchangeBlock.reply)
  memory.words[exchangeBlock.replyBytes] = 16
  memory.words[exchangeBlock.pieceCount] = 0
  t.equal(native.exchange(memory.mapping, layout.block), -errno.EINTR)
  t.equal(memory.words[exchangeBlock.replyErrno], errno.ENOENT)
  t.equal(memory.words[exchangeBlock.replyBytes], 0)
  // A header whose length is not the reply's.
  memory.words.set([20, 0, 0x7ffffff0, 0], exchangeBlock.reply)
  memory.words[exchangeBlock.replyBytes] = 16
  t.equal(native.exchange(memory.mapping, layout.block), -errno.EINTR)
  t.equal(memory.words[exchangeBlock.replyErrno], errno.EINVAL)
  t.equal(native.exchange(memory.mapping, layout.block), -errno.EINTR)
  t.equal(memory.words[exchangeBlock.replyErrno], 0, 'no reply, no error')
  // A lock that the reply was read under is let go of, and whoever sleeps on it is woken, at the last holder only.
  const lock = anonymous(t, 4096)
  const release = () => {
    memory.words[exchangeBlock.releaseMapping] = lock.mapping
    memory.words[exchangeBlock.releaseOffset] = 8
    const result = native.exchange(memory.mapping, layout.block)
    return [result, memory.words[exchangeBlock.releaseMapping], lock.words[2]]
  }
  lock.words[2] = 3
  t.strictSame(release(), [-errno.EINTR, 0, 2])
  lock.words[2] = LOCK_WAITED + 2
  t.strictSame(release(), [-errno.EINTR, 0, LOCK_WAITED + 1])
  t.strictSame(release(), [-errno.EINTR, 0, 0])
  memory.words[exchangeBlock.releaseMapping] = lock.mapping
  memory.words[exchangeBlock.releaseOffset] = 4096
  t.equal(native.exchange(memory.mapping, layout.block), -errno.EINVAL)
})

void test('a request whose reply is malformed fails, and does not hang', async (t) => {
  const { path, server, memory } = await mountServer(t)
  await within('stat', stat(path))
  await halt(server, memory)
  const failed = stat(join(path, 'pieces')).then(
    () => 'found',
    (error: unknown) => (error as NodeJS.ErrnoException).code,
  )
  Atomics.store(memory.words, exchangeBlock.stop, 0)
  t.ok(native.exchange(memory.mapping, layout.block) > 40)
  Atomics.store(memory.words, exchangeBlock.stop, 1)
  const unique = memory.words.subarray(layout.request / 4 + 2, layout.request / 4 + 4)
  memory.words.set([999, 0, ...unique], exchangeBlock.reply)
  memory.words[exchangeBlock.replyBytes] = 16
  t.equal(native.exchange(memory.mapping, layout.block), -errno.EINTR)
  t.equal(memory.words[exchangeBlock.replyErrno], errno.EINVAL)
  t.equal(await within('stat', failed), 'EIO')
})

/** Stops the server's thread as a daemon does: the flag, then the signal until there is an answer. */
async function halt(server: FuseServer, memory: Memory): Promise<number> {
  const threadId = await within('the server', server.threadId)
  Atomics.store(memory.words, exchangeBlock.stop, 1)
  const again = setInterval(() => native.interruptThread(threadId), 5)
  try {
    return await within('the server', server.ended)
  } finally {
    clearInterval(again)
  }
}

void test('a signal alone does not end the exchange, with the stop flag it does', async (t) => {
  const { path, server, memory } = await mountServer(t)
  await within('stat', stat(path))
  const threadId = await within('the server', server.threadId)
  for (let n = 0; n < 20; n++) {
    t.equal(native.interruptThread(threadId), 0)
    await sleep(2)
  }
  const served = Atomics.load(memory.words, counters.requests)
  await within('stat', stat(join(path, 'pieces')))
  t.ok(Atomics.load(memory.words, counters.requests) > served, 'it still serves')
  t.equal(await halt(server, memory), -errno.EINTR)
})

void test('an exchange that is told to stop does not block', (t) => {
  const memory = anonymous(t, layout.totalBytes)
  const fd = openSync('/dev/fuse', 'r+')
  t.teardown(() => closeSync(fd))
  memory.words[exchangeBlock.fd] = fd
  memory.words[exchangeBlock.requestMapping] = memory.mapping
  memory.words[exchangeBlock.requestOffset] = layout.request
  memory.words[exchangeBlock.requestCapacity] = layout.requestBytes
  memory.words[exchangeBlock.stop] = 1
  t.equal(native.exchange(memory.mapping, 0), -errno.EINTR)
  memory.words[exchangeBlock.stop] = 0
  t.equal(native.exchange(memory.mapping, 0), -errno.EPERM, 'a descriptor without a mount')
  memory.words[exchangeBlock.fd] = 9999
  t.equal(native.exchange(memory.mapping, 0), -errno.EBADF)
  t.end()
})

void test('a wrong exchange block is refused, and nothing is sent', (t) => {
  const memory = anonymous(t, layout.totalBytes)
  const { words } = memory
  const set = (
    changes: Partial<Record<Exclude<keyof typeof exchangeBlock, 'reply'>, number>>,
    pieces: number[] = [],
  ) => {
    words[exchangeBlock.fd] = 9999
    words[exchangeBlock.replyBytes] = 16
    words[exchangeBlock.pieceCount] = 0
    words[exchangeBlock.pieceListOffset] = layout.pieceList
    words[exchangeBlock.requestMapping] = memory.mapping
    words[exchangeBlock.requestOffset] = layout.request
    words[exchangeBlock.requestCapacity] = layout.requestBytes
    for (const [name, value] of Object.entries(changes))
      words[exchangeBlock[name as keyof typeof changes]] = value
    words.set(pieces, layout.pieceList / 4)
    return native.exchange(memory.mapping, 0)
  }
  t.equal(set({}), -errno.EBADF, 'a right block gets as far as the descriptor')
  t.equal(words[exchangeBlock.replyErrno], errno.EBADF)
  for (const [what, changes, pieces] of [
    ['no mapping for the request', { requestMapping: 0 }, []],
    ['a request buffer past the end', { requestOffset: layout.totalBytes - 10 }, []],
    ['a negative capacity', { requestCapacity: -1 }, []],
    ['a negative reply', { replyBytes: -1 }, []],
    ['a reply past the end', { replyBytes: layout.totalBytes }, []],
    ['negative pieces', { pieceCount: -1 }, []],
    ['more pieces than writev takes', { pieceCount: 1023 }, []],
    ['a list of pieces past the end', { pieceCount: 1, pieceListOffset: layout.totalBytes - 8 }, []],
    ['a list of pieces that is not aligned', { pieceCount: 1, pieceListOffset: 2 }, []],
    ['a piece of no mapping', { pieceCount: 1 }, [0, 0, 8]],
    ['a piece past the end', { pieceCount: 1 }, [memory.mapping, layout.totalBytes, 1]],
    ['a negative piece', { pieceCount: 1 }, [memory.mapping, 8, -8]],
    ['a second piece that is wrong', { pieceCount: 2 }, [memory.mapping, 0, 8, memory.mapping, -1, 8]],
  ] as const) {
    t.equal(set(changes, [...pieces]), -errno.EINVAL, what)
    t.not(words[exchangeBlock.replyBytes], 0, 'the reply is still to be sent')
  }
  for (const offset of [-4, 2, layout.totalBytes, layout.totalBytes - 60])
    t.equal(native.exchange(memory.mapping, offset), -errno.EINVAL, `a block at ${offset}`)
  t.end()
})

void test('a request is waited for as long as was said', async (t) => {
  const memory = anonymous(t, layout.totalBytes)
  const path = await temporaryDirectory(t)
  const fd = openSync('/dev/fuse', 'r+')
  t.teardown(() => {
    native.umount(path, forceAndDetach)
    closeSync(fd)
  })
  const { words, mapping } = memory
  words[exchangeBlock.fd] = fd
  words[exchangeBlock.requestMapping] = mapping
  words[exchangeBlock.requestOffset] = layout.request
  words[exchangeBlock.requestCapacity] = layout.requestBytes
  words[exchangeBlock.timeoutMs] = 10
  t.equal(native.mount('pmfs2-test', path, 'fuse', 0, `fd=${fd},rootmode=40000,user_id=0,group_id=0`), 0)
  t.ok(native.exchange(mapping, layout.block) > 0, 'the first one is there')
  for (const timeoutMs of [10, -1]) {
    words[exchangeBlock.timeoutMs] = timeoutMs
    t.equal(native.exchange(mapping, layout.block), -errno.EAGAIN, 'no other comes')
  }
  words[exchangeBlock.stop] = 1
  t.equal(native.exchange(mapping, layout.block), -errno.EINTR)
})

// The last one: the blocks of the others say that they have heard of nothing.
void test('a reply with a piece that is bad is EIO, and no zeros', async (t) => {
  const page = 4096
  const device = await BadDevice.make(t, 16 * page)
  const fd = openSync(device.path, 'r+')
  t.teardown(() => closeSync(fd))
  const disk = memoryOf(t, native.map(fd, 0, 16 * page, 0))
  disk.bytes.fill(7)
  const { path, server, memory } = await mountServer(t)
  const { words, mapping } = memory
  const file = await within('open', open(join(path, 'pieces')))
  // Nobody answers any more: it ends when the mount does, which comes after.
  t.teardown(() => void file.close().catch(() => undefined))
  await halt(server, memory)
  const failures = new Int32Array(native.failures())
  const attended = () => (words[exchangeBlock.attended] = failures[failureWord.attention]!)
  const exchange = () => native.exchange(mapping, layout.block)

  /** Has a read come in, and makes its reply of a piece of the disk. */
  const reply = (offset: number, length: number): Promise<string> => {
    const data = Buffer.alloc(length)
    const answered = file.read(data, 0, length, 0).then(
      ({ bytesRead }) => `${bytesRead} of ${data[0]}`,
      (error: unknown) => String((error as NodeJS.ErrnoException).code),
    )
    Atomics.store(words, exchangeBlock.stop, 0)
    t.ok(exchange() > 40)
    Atomics.store(words, exchangeBlock.stop, 1)
    const unique = words.subarray(layout.request / 4 + 2, layout.request / 4 + 4)
    words.set([16 + length, 0, ...unique], exchangeBlock.reply)
    words[exchangeBlock.replyBytes] = 16
    words[exchangeBlock.pieceCount] = 1
    words.set([disk.mapping, offset, length], layout.pieceList / 4)
    return within('read', answered)
  }

  attended()
  for (const length of [100, 2048, page]) {
    const answered = reply(3 * page, length)
    t.equal(exchange(), -errno.EINTR)
    t.equal(await answered, `${length} of 7`)
  }

  device.spoil(5, 6, 7, 8)
  let answered = reply(5 * page, page)
  t.equal(exchange(), -errno.EINTR)
  t.equal(words[exchangeBlock.replyErrno], errno.EFAULT, 'the kernel does not get at it')
  t.equal(await answered, 'EIO')
  t.not(failures[failureWord.attention], words[exchangeBlock.attended], 'and it is noted')
  attended()

  for (const length of [1, 2048]) {
    const block = length === 1 ? 6 : 7
    answered = reply(block * page, length)
    t.equal(exchange(), -EHWPOISON, 'a small piece is looked at before')
    t.equal(words[exchangeBlock.replyBytes], 16, 'nothing has been sent')
    t.equal(exchange(), -EHWPOISON, 'as long as nobody has heard')
    attended()
    t.equal(exchange(), -errno.EINTR)
    t.equal(words[exchangeBlock.replyErrno], errno.EFAULT)
    t.equal(await answered, 'EIO')
  }

  answered = reply(3 * page, page)
  t.equal(disk.bytes[8 * page], 0)
  t.equal(exchange(), -EHWPOISON, 'whatever the reply is of')
  attended()
  t.equal(exchange(), -errno.EINTR)
  t.equal(await answered, `${page} of 7`)
  t.equal(disk.bytes[5 * page + 1], 0, 'zeros are for loads of JavaScript')
})

void test('a mapping that is apart fails alone', async (t) => {
  const { path, server, memory } = await mountServer(t)
  await within('stat', stat(path))
  await halt(server, memory)
  const fd = openSync(join(await temporaryDirectory(t), 'file'), 'w+')
  ftruncateSync(fd, 4096)
  const file = memoryOf(t, native.map(fd, 0, 4096, 0))
  ftruncateSync(fd, 0)
  closeSync(fd)
  t.equal(native.setApart(file.mapping, 1), 0)
  t.equal(file.bytes[0], 0)
  t.not(native.failureOf(file.mapping), 0, 'it has failed')
  memory.words[exchangeBlock.replyBytes] = 0
  t.equal(native.exchange(memory.mapping, layout.block), -errno.EINTR)
  t.equal(native.setApart(file.mapping, 0), 0)
  t.equal(native.exchange(memory.mapping, layout.block), -errno.EIO, 'once it is served')
  native.unmap(file.mapping, file.bytes.buffer as ArrayBuffer)
  t.equal(native.setApart(file.mapping, 1), -errno.EINVAL)
  t.equal(native.exchange(memory.mapping, layout.block), -errno.EINTR)
})
