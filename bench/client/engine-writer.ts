// SPDX-License-Identifier: GPL-2.0-only
/**
 * A process that times writes by the engine, without a kernel in between: to a file of 256 MiB of a new volume in
 * memory, cold (in random order) and hot (the same place over and over), which takes no transaction; and at the end of
 * files that grow, which takes one. Prints lines as durable-write.c does.
 */
import { createTransferBuffer } from '../../src/pmem/transfer-buffer.js'
import { nameOf, newInode } from '../../test/support/engine-caller.js'
import { writerOf } from '../../test/support/engine-requests.js'
import { MemoryVolume } from '../../test/support/memory-volume.js'
import { root } from '../../test/support/test-volume.js'
import { maxWriteBytes } from '../../src/fuse/init.js'
import { writeSizes } from '../workloads/durable-sizes.js'

const blockBytes = 4096
const volumeBytes = 2 ** 29
const rangeBytes = 2 ** 28
const rounds = 5
const millisecondsPerRound = 20
const callsBetweenLooks = 16
/** There is room for it beside the first file. */
const mostAppendedBytes = 2 ** 27

const volume = new MemoryVolume(volumeBytes)
const { engine } = volume
const data = createTransferBuffer('bench data', maxWriteBytes)
data.bytes.fill(2)
const write = writerOf(engine, data)
const made = newInode(0o100644, 0)
const file = engine.create(root, nameOf('file'), made)
const growing = nameOf('growing')

/** As the kernel does, in requests of 1 MiB at the most. */
function writeAt(offset: number, bytes: number, to = file): void {
  for (let done = 0; done < bytes; done += maxWriteBytes) {
    const part = Math.min(bytes - done, maxWriteBytes)
    const at = offset + done
    if (write(to, Math.floor(at / blockBytes), at % blockBytes, part) !== part)
      throw new Error('a short write')
  }
}

/** @param places that are written to, in random order @returns ns per write: the least of the rounds */
function timeWrites(bytes: number, places: number): number {
  let least = Infinity
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    let elapsed = 0
    let writes = 0
    while (elapsed < millisecondsPerRound) {
      for (let n = 0; n < callsBetweenLooks; n++) writeAt(Math.floor(Math.random() * places) * bytes, bytes)
      writes += callsBetweenLooks
      elapsed = performance.now() - start
    }
    least = Math.min(least, (elapsed / writes) * 1e6)
  }
  return least
}

/** Each round has a file of its own. @returns ns per write: the least of the rounds */
function timeAppends(bytes: number): number {
  let least = Infinity
  for (let round = 0; round < rounds; round++) {
    const inode = engine.create(root, growing, made)
    const start = performance.now()
    let elapsed = 0
    let writes = 0
    for (; elapsed < millisecondsPerRound && (writes + 1) * bytes <= mostAppendedBytes; writes++) {
      writeAt(writes * bytes, bytes, inode)
      elapsed = performance.now() - start
    }
    least = Math.min(least, (elapsed / writes) * 1e6)
    engine.unlink(root, growing)
    engine.forget(inode, 1)
  }
  return least
}

for (let at = 0; at < rangeBytes; at += maxWriteBytes) writeAt(at, maxWriteBytes)
for (const bytes of writeSizes) {
  // The compiler has its say first.
  timeWrites(bytes, 1)
  console.log(`cold ${bytes} engine ${timeWrites(bytes, rangeBytes / bytes).toFixed(1)}`)
  console.log(`hot ${bytes} engine ${timeWrites(bytes, 1).toFixed(1)}`)
  timeAppends(bytes)
  console.log(`append ${bytes} engine ${timeAppends(bytes).toFixed(1)}`)
}
volume.release()
