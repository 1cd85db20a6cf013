// SPDX-License-Identifier: GPL-2.0-only
/**
 * A process that times writes by the engine, without a kernel in between: to a file of 256 MiB of a new volume in
 * memory, cold (in random order) and hot (the same place over and over), which takes no transaction; and at the end of
 * files that grow, which takes one, cold and hot as durable-write.c does. Prints lines as that does.
 *
 * The memory of a volume comes into being when it is touched. All of it is touched before anything is timed: a page
 * fault takes longer than a transaction. The process fails where page faults were timed after all.
 */
import { AttributeChange, SET_SIZE } from '../../src/fs/attributes.js'
import { createTransferBuffer } from '../../src/pmem/transfer-buffer.js'
import { nameOf, newInode } from '../../test/support/engine-caller.js'
import { allocatorOf, writerOf } from '../../test/support/engine-requests.js'
import { MemoryVolume } from '../../test/support/memory-volume.js'
import { root } from '../../test/support/test-volume.js'
import { maxWriteBytes } from '../../src/fuse/init.js'
import { writeSizes } from '../workloads/durable-sizes.js'

const blockBytes = 4096
const volumeBytes = 2 ** 29
const rangeBytes = 2 ** 28
/** Many and short: some of them are not interrupted by what else the machine does. */
const rounds = 30
const millisecondsPerRound = 2
const callsBetweenLooks = 16
/** How far a file grows before it is cut off; in place of `hot`, that is all that is free. */
const appendedBytes = { cold: 2 ** 27, hot: 2 ** 23 } as const
/** What is left free besides, for maps. */
const spareBytes = 2 ** 20
/** Of the pages that appends go to, so many in a hundred may have been touched for the first time. */
const mostFaultsPercent = 2

const volume = new MemoryVolume(volumeBytes)
const { engine } = volume
const data = createTransferBuffer('bench data', maxWriteBytes)
data.bytes.fill(2)
const write = writerOf(engine, data)
const made = newInode(0o100644, 0)
const file = engine.create(root, nameOf('file'), made)
const growing = engine.create(root, nameOf('growing'), made)
const filler = engine.create(root, nameOf('filler'), made)
const cut = Object.assign(new AttributeChange(), { mask: SET_SIZE, sizeLow: 0, sizeHigh: 0 })
let appended = 0
let faults = 0

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

/** @param most how far the file grows @returns ns per write: the least of the rounds */
function timeAppends(bytes: number, most: number): number {
  let least = Infinity
  for (let round = 0; round < rounds; round++) {
    const faultsBefore = process.resourceUsage().minorPageFault
    const start = performance.now()
    let elapsed = 0
    let writes = 0
    while (elapsed < millisecondsPerRound && (writes + 1) * bytes <= most) {
      const until = Math.min(writes + callsBetweenLooks, Math.floor(most / bytes))
      for (; writes < until; writes++) writeAt(writes * bytes, bytes, growing)
      elapsed = performance.now() - start
    }
    faults += process.resourceUsage().minorPageFault - faultsBefore
    appended += writes * bytes
    least = Math.min(least, (elapsed / writes) * 1e6)
    cutOff(growing)
  }
  return least
}

function cutOff(inode: number): void {
  if (engine.setattr(inode, cut) !== 0) throw new Error('a file could not be cut off')
}

function freeBytes(): number {
  return volume.volume.usage().freeBlocks * blockBytes
}

/** Writes all that is free once. */
function touchFreeSpace(): void {
  for (let at = 0; freeBytes() > maxWriteBytes + spareBytes; at += maxWriteBytes)
    writeAt(at, maxWriteBytes, filler)
  cutOff(filler)
}

function printAppends(warmth: 'cold' | 'hot'): void {
  for (const bytes of writeSizes) {
    timeAppends(bytes, appendedBytes[warmth])
    console.log(`${warmth} ${bytes} append ${timeAppends(bytes, appendedBytes[warmth]).toFixed(1)}`)
  }
}

for (let at = 0; at < rangeBytes; at += maxWriteBytes) writeAt(at, maxWriteBytes)
touchFreeSpace()
for (const bytes of writeSizes) {
  // The compiler has its say first.
  timeWrites(bytes, 1)
  console.log(`cold ${bytes} engine ${timeWrites(bytes, rangeBytes / bytes).toFixed(1)}`)
  console.log(`hot ${bytes} engine ${timeWrites(bytes, 1).toFixed(1)}`)
}
printAppends('cold')
const taken = (freeBytes() - appendedBytes.hot - spareBytes) / blockBytes
if (allocatorOf(engine)(filler, 0, 0, 0, taken, 0) !== 0) throw new Error('fallocate failed')
printAppends('hot')
volume.release()
if (faults * blockBytes * 100 > appended * mostFaultsPercent)
  throw new Error(`appends of ${appended / blockBytes} pages met ${faults} page faults: these were timed`)
