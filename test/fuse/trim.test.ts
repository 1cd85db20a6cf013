// SPDX-License-Identifier: GPL-2.0-only
/**
 * FITRIM of a device that takes long: it ends early where its thread is to stop or to pause, and tells how far it came.
 */
import { test } from 'tap'
import { type LongCall, putOff } from '../../src/fs/long-call.js'
import type { TrimRange } from '../../src/fs/trim.js'
import { IoctlCalls } from '../../src/fuse/ioctl-calls.js'
import { FITRIM, fstrim_range } from '../../src/fuse/ioctl-numbers.js'
import { Message } from '../../src/fuse/message.js'
import { fuse_in_header, fuse_ioctl_in, fuse_ioctl_out } from '../../src/fuse/protocol.js'
import { Replies } from '../../src/fuse/replies.js'
import { TrimCall } from '../../src/fuse/trim-call.js'
import { createTransferBuffer, releaseTransferBuffer } from '../../src/pmem/transfer-buffer.js'
import { MemoryVolume } from '../support/memory-volume.js'

const parts = 10
const blocksPerPart = 4096
const partBytes = blocksPerPart * 4096
/** Words of the memory in which the request and the reply lie. */
const at = { header: 0, argument: 32, payload: 64, reply: 128, total: 512 }

/**
 * @param most parts after which the thread is wanted elsewhere; null: it takes no turns at all
 * @returns the bytes that the call tells
 */
function trimmedBytes(most: number | null): number {
  const volume = new MemoryVolume(2 ** 24)
  const buffer = createTransferBuffer('test request', at.total * 4)
  const { engine, medium } = volume
  const { turns } = engine
  const message = new Message(medium, { buffer, pieceWord: 0, zeros: buffer })
  message.place(at.header, at.argument, at.reply)
  message.payloadStart = at.payload * 4
  message.payloadBytes = fstrim_range.lengthBytes
  const { words } = buffer
  words[at.header + fuse_in_header.word.pid] = process.pid
  words[at.argument + fuse_ioctl_in.word.cmd] = FITRIM
  words.fill(-1, at.payload + fstrim_range.word.len, at.payload + fstrim_range.word.len + 2)
  let done = 0
  const step = (range: TrimRange): number => {
    if (done === parts) return 0
    done++
    range.trimmed += blocksPerPart
    return 1
  }
  const trim = { blockCount: parts * blocksPerPart, step }
  const files = Object.create(engine, { trim: { value: trim } }) as typeof engine
  const notices = { attributesChanged: () => undefined }
  const calls = new IoctlCalls(files, message, new Replies(engine, message, false, 1), notices)
  if (most !== null) turns.open(1)
  let bytes = calls.ioctl()
  if (bytes === putOff) {
    let call: LongCall | null = null
    while (call === null) call = done < most! ? turns.part() : turns.end()
    if (!(call instanceof TrimCall)) throw new Error('another call')
    bytes = calls.afterTrim(call)
  }
  const told = words[at.reply + fuse_ioctl_out.lengthWords + fstrim_range.word.len]! >>> 0
  releaseTransferBuffer(buffer)
  volume.release()
  if (bytes !== fuse_ioctl_out.lengthBytes + fstrim_range.lengthBytes) throw new Error(`ioctl: ${bytes}`)
  return told
}

void test('to its end, and not further than its thread has time', (t) => {
  t.equal(trimmedBytes(null), parts * partBytes)
  t.equal(trimmedBytes(Infinity), parts * partBytes)
  t.equal(trimmedBytes(3), 3 * partBytes)
  t.end()
})
