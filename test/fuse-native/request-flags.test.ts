// SPDX-License-Identifier: GPL-2.0-only
/** The flags of an open file, from the record of a request and from what that points to. */
import { constants } from 'node:fs'
import { test } from 'tap'
import { EOPNOTSUPP } from '../../src/fs/errno.js'
import { ProcessMemory } from '../../src/fuse-native/process-memory.js'
import { flagsOf } from '../../src/fuse-native/request-flags.js'

const address = 0x7fff_1234_5678n
const flags = constants.O_WRONLY | constants.O_APPEND

function recordOf(lengthBytes: number, info = address): Buffer {
  const record = Buffer.alloc(400)
  record.writeBigUInt64LE(info, 48)
  record.writeBigUInt64LE(BigInt(lengthBytes), 72)
  return record
}

/** One fuse_file_info, and nothing else. */
function memoryOf(handle: bigint, oldHandle = handle): Pick<ProcessMemory, 'read'> {
  const info = Buffer.alloc(40)
  info.writeUInt32LE(flags, 0)
  info.writeBigUInt64LE(oldHandle, 8)
  info.writeBigUInt64LE(handle, 24)
  return { read: (at, into) => at === address && info.copy(into) === into.length }
}

void test('flags', (t) => {
  t.equal(flagsOf(recordOf(4096), 7, 4096, memoryOf(7n)), flags)
  t.end()
})

void test('what is laid out otherwise is refused', (t) => {
  t.equal(flagsOf(recordOf(4096), 7, 4095, memoryOf(7n)), -EOPNOTSUPP, 'another length')
  t.equal(flagsOf(recordOf(4096), 7, 4096, memoryOf(8n)), -EOPNOTSUPP, 'another handle')
  t.equal(flagsOf(recordOf(4096), 7, 4096, memoryOf(7n, 8n)), -EOPNOTSUPP, 'two handles')
  t.equal(flagsOf(Buffer.alloc(79), 0, 0, memoryOf(0n)), -EOPNOTSUPP, 'a short record')
  t.end()
})

void test('an address without memory is refused', (t) => {
  const memory = new ProcessMemory()
  for (const nowhere of [0n, 8n, 2n ** 47n, 2n ** 63n, 2n ** 64n - 8n])
    t.equal(flagsOf(recordOf(1, nowhere), 7, 1, memory), -EOPNOTSUPP, nowhere.toString(16))
  memory.close()
  memory.close()
  t.equal(memory.read(address, Buffer.alloc(1)), false, 'nor is anything read once it is closed')
  t.end()
})
