// SPDX-License-Identifier: GPL-2.0-only
/**
 * copy_file_range copies from the medium to the medium: no byte passes through memory, and nothing costs more than
 * writes do.
 */
import { test } from 'tap'
import { costOf } from '../support/medium-cost.js'
import { Random } from '../support/random.js'
import { TestVolume, root } from '../support/test-volume.js'

const mib = 2 ** 20
/** What one call copies at the most. */
const size = 4 * mib
const data = new Random(1).bytes(size)

for (const mode of ['inplace', 'cow'] as const) {
  void test(`a copy costs no more than writes of 1 MiB, with data=${mode}`, (t) => {
    const volume = TestVolume.makeFor(mode, 16384)
    t.teardown(() => volume.close())
    const { caller, medium } = volume
    const fill = (file: number, offset: number, length: number): void => {
      for (let done = 0; done < length; done += mib)
        caller.write(file, offset + done, data.subarray(done, Math.min(done + mib, length)))
    }
    const source = caller.file(root, 'source')
    fill(source, 0, size)
    const cases: readonly (readonly [what: string, offset: number, length: number])[] = [
      ['into an empty file', 0, size],
      ['over what is there', 0, size],
      ['over what is there, unaligned', 77, size - 5000],
      ['over a part of what is there, and beyond', 3 * mib + 100, size],
    ]
    const [copied, written] = [caller.file(root, 'copied'), caller.file(root, 'written')]
    for (const [what, offset, length] of cases) {
      const writes = costOf(medium, () => fill(written, offset, length))
      const copy = costOf(medium, () => t.equal(caller.copy(source, 0, copied, offset, length), length))
      t.equal(copy.bytesCopiedIn, 0, `${what}: nothing is copied from memory`)
      // With copy-on-write, what a write leaves of a block is copied within the medium, too.
      t.equal(copy.bytesCopiedWithin - writes.bytesCopiedWithin, length, `${what}: each byte is stored once`)
      for (const name of ['fences', 'words', 'logLines', 'flushes', 'bytesZeroed'] as const)
        t.ok(copy[name] <= writes[name], `${what}: ${name} ${copy[name]}, of writes ${writes[name]}`)
      const got = caller.read(copied, offset, length) as Buffer
      t.ok(got.equals(caller.read(written, offset, length) as Buffer), what)
    }
    t.end()
  })
}
