// SPDX-License-Identifier: GPL-2.0-only
/**
 * Times of what the kernel writes back. With its writeback cache it keeps them itself and tells them by SETATTR, which
 * may overtake a WRITE; a file that the kernel has forgotten and looks up again must still have them.
 */
import { test } from 'tap'
import { inode } from '../../layout/inode.js'
import { attributeWords } from '../../src/fs/attributes.js'
import { FUSE_WRITE_CACHE } from '../../src/fuse/protocol.js'
import { nameOf, newInode } from '../support/engine-caller.js'
import { MemoryVolume } from '../support/memory-volume.js'
import { RequestDriver } from '../support/request-driver.js'
import { root } from '../support/test-volume.js'

const { mtime, ctime, size } = inode.word
const writes = [
  { title: 'that grows the file', offset: 0, length: 5000 },
  { title: 'over what is there', offset: 100, length: 3000 },
  { title: 'beyond a hole', offset: 100_000, length: 4096 },
  { title: 'into a hole', offset: 50_000, length: 10 },
]

for (const [title, gathers, writeFlags, moves] of [
  ['a page of the writeback cache leaves the times', true, FUSE_WRITE_CACHE, false],
  ['a write beside the writeback cache moves the times', true, 0, true],
  ['a page of a mapping moves the times, where the kernel keeps none', false, FUSE_WRITE_CACHE, true],
  ['a write moves the times', false, 0, true],
] as const)
  void test(title, (t) => {
    const volume = new MemoryVolume(2 ** 24)
    t.teardown(() => volume.release())
    const driver = new RequestDriver(volume, 'devfuse', gathers)
    t.teardown(() => driver.release())
    const { engine } = volume
    const file = engine.create(root, nameOf('file'), newInode(0o100644, 0))
    const attributes = new Uint32Array(attributeWords)
    const times = (): string => {
      t.equal(engine.getattr(file, attributes), 0)
      return [mtime, ctime].map((at) => `${attributes[at]}:${attributes[at + 1]}`).join(' ')
    }
    let end = 0
    let seconds = 1000
    for (const write of writes) {
      const before = times()
      engine.clock.setSeconds(++seconds, 5)
      t.equal(driver.write(file, write.offset, write.length, writeFlags), write.length)
      end = Math.max(end, write.offset + write.length)
      t.equal(times() !== before, moves, `a write ${write.title}`)
      t.equal(attributes[size], end, 'and it has the bytes')
    }
    t.end()
  })
