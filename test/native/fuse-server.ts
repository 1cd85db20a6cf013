// SPDX-License-Identifier: GPL-2.0-only
/**
 * A FUSE server just large enough to try exchange(): a root with one file, `pieces`, whose reads are answered by
 * pieces of mapped memory. It runs in a worker thread and counts what happened in the shared words of its block.
 */
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { type Mapping, PIECE_WORDS, exchangeBlock, native } from '../../src/native/index.js'

/** Everything lies in one mapping: the block, the list of pieces, the request, the file's bytes. */
export const layout = {
  block: 0,
  pieceList: 4096,
  request: 65_536,
  requestBytes: 135_168,
  file: 262_144,
  fileBytes: 65_536,
  totalBytes: 524_288,
} as const

/** Words, far behind the reply, in which the server counts. */
export const counters = { requests: 512, arrivedSeconds: 513, interrupted: 514, lastReplyErrno: 515 } as const

/** Each read of the file is answered in so many pieces, taken from the file's end to its beginning. */
export const piecesPerRead = 1022

const opcode = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  open: 14,
  read: 15,
  release: 18,
  flush: 25,
  init: 26,
} as const
const [opendir, releasedir, interrupt, destroy, batchForget] = [27, 29, 36, 38, 42]
const noReply = new Set([opcode.forget, interrupt, destroy, batchForget])
const [ENOENT, ENOSYS] = [2, 38]

const reply = exchangeBlock.reply
const body = reply + 4
const request = layout.request / 4
const argument = request + 10

export interface ServerTask {
  readonly fd: number
  readonly mapping: Mapping
}

export interface FuseServer {
  readonly threadId: Promise<number>
  /** What exchange() returned in the end. */
  readonly ended: Promise<number>
  stop(): Promise<number>
}

/** Starts the server; `ended` tells how it ended. */
export function startFuseServer(task: ServerTask): FuseServer {
  // Without the test runner's own modules, which take a second to load.
  const worker = new Worker(new URL(import.meta.url), { workerData: { fuseServer: task }, execArgv: [] })
  const messages: number[] = []
  const waiters: ((value: number) => void)[] = []
  worker.on('message', (value: number) => {
    messages.push(value)
    waiters[messages.length - 1]?.(value)
  })
  const threadId = new Promise<number>((resolve) => waiters.push(resolve))
  const ended = new Promise<number>((resolve) => waiters.push(resolve))
  return { threadId, ended, stop: () => worker.terminate() }
}

function attributes(words: Int32Array, at: number, inode: number): void {
  words.fill(0, at, at + 22)
  words[at] = inode
  words[at + 2] = inode === 1 ? 0 : layout.fileBytes
  words[at + 15] = inode === 1 ? 0o40755 : 0o100644
  words[at + 16] = 1
}

/** Lists the pieces of a read: as many as may be, single bytes until the last, which is the rest. */
function listPieces(words: Int32Array, mapping: Mapping, offset: number, length: number): number {
  const count = Math.min(piecesPerRead, length)
  for (let n = 0; n < count; n++)
    words.set(
      [mapping, layout.file + offset + n, n === count - 1 ? length - n : 1],
      layout.pieceList / 4 + n * PIECE_WORDS,
    )
  return count
}

/** From here down, a result means so many bytes of data. */
const dataMark = -1_000_000

/** Puts the reply's struct; returns its bytes, a negative errno, or {@link dataMark} less the bytes of data. */
function answer(words: Int32Array, bytes: Uint8Array, mapping: Mapping): number {
  const inode = words[request + 4]!
  switch (words[request + 1]) {
    case opcode.init:
      words.fill(0, body, body + 16)
      words.set([7, 31, words[argument + 2]!, 1 << 22, 0, 131_072, 1, 32], body)
      return 64
    case opcode.lookup: {
      const name = Buffer.from(bytes.buffer, argument * 4, 7).toString('latin1')
      if (inode !== 1 || name !== 'pieces\0') return -ENOENT
      words.fill(0, body, body + 32)
      words[body] = 2
      attributes(words, body + 10, 2)
      return 128
    }
    case opcode.getattr:
      words.fill(0, body, body + 4)
      attributes(words, body + 4, inode)
      return 104
    case opcode.open:
    case opendir:
      // FOPEN_DIRECT_IO: every read(2) comes to us as it is.
      words.set([0, 0, 1, 0], body)
      return 16
    case opcode.read: {
      const offset = words[argument + 2]!
      const length = Math.max(0, Math.min(words[argument + 4]!, layout.fileBytes - offset))
      words[exchangeBlock.pieceCount] = listPieces(words, mapping, offset, length)
      return dataMark - length
    }
    case opcode.release:
    case releasedir:
    case opcode.flush:
      return 0
    default:
      return -ENOSYS
  }
}

/** Sets up the reply to the request that lies in the buffer. */
function serve(words: Int32Array, bytes: Uint8Array, mapping: Mapping): void {
  Atomics.add(words, counters.requests, 1)
  words[counters.arrivedSeconds] = words[exchangeBlock.secondsLow]!
  if (words[exchangeBlock.replyErrno] !== 0) words[counters.lastReplyErrno] = words[exchangeBlock.replyErrno]!
  if (noReply.has(words[request + 1]!)) return
  words[exchangeBlock.pieceCount] = 0
  const result = answer(words, bytes, mapping)
  const isData = result <= dataMark
  const dataBytes = isData ? dataMark - result : 0
  const structBytes = Math.max(result, 0)
  words[exchangeBlock.replyBytes] = 16 + structBytes
  words.set(
    [
      16 + structBytes + dataBytes,
      isData ? 0 : Math.min(result, 0),
      words[request + 2]!,
      words[request + 3]!,
    ],
    reply,
  )
}

function runServer({ fd, mapping }: ServerTask): void {
  const buffer = native.view(mapping)
  const words = new Int32Array(buffer)
  const bytes = new Uint8Array(buffer)
  words[exchangeBlock.fd] = fd
  words[exchangeBlock.pieceListOffset] = layout.pieceList
  words[exchangeBlock.requestMapping] = mapping
  words[exchangeBlock.requestOffset] = layout.request
  words[exchangeBlock.requestCapacity] = layout.requestBytes
  parentPort!.postMessage(native.threadId())
  for (;;) {
    const received = native.exchange(mapping, layout.block)
    if (received < 0) {
      parentPort!.postMessage(received)
      return
    }
    if (received > 0) serve(words, bytes, mapping)
  }
}

const given = workerData as { readonly fuseServer?: ServerTask } | null
if (given?.fuseServer !== undefined) runServer(given.fuseServer)
