// SPDX-License-Identifier: GPL-2.0-only
/**
 * How often a call waits until what it stored is durable: on persistent memory that is most of what it costs. A
 * transaction fences its log, its changes and its end; a save that follows a change would be one fence more.
 */
import tap from 'tap'
import { TestVolume, root } from '../support/test-volume.js'

const block = Buffer.alloc(4096, 7)
const transaction = 3

void tap.test('fences per call', (t) => {
  const test = TestVolume.make(2048)
  const { caller, medium } = test
  const cost = (call: () => unknown): number => {
    const [fences, orders] = [medium.fences, medium.orders]
    call()
    const ended = medium.orders - orders
    t.ok(ended <= 1, 'one transaction at the most, and its end is handed over with its changes')
    return medium.fences - fences
  }

  const directory = caller.mkdir(root, 'directory')
  const first = caller.file(directory, 'first')
  let file = 0
  /** In this order: each works on what the ones before have left. */
  const calls: readonly (readonly [what: string, fences: number, call: () => unknown])[] = [
    ['create', transaction, () => (file = caller.file(directory, 'file'))],
    ['mkdir', transaction, () => caller.mkdir(directory, 'below')],
    ['symlink', transaction, () => caller.symlink(directory, 'link', 'target')],
    ['link', transaction, () => caller.link(file, directory, 'other')],
    ['unlink of one of two names', transaction, () => caller.unlink(directory, 'other')],
    // A name is added, then one removed.
    ['rename', transaction + 1, () => caller.rename(directory, 'file', directory, 'moved')],
    ['rename over another', transaction + 1, () => caller.rename(directory, 'moved', directory, 'first')],
    ['the end of what was replaced', transaction, () => caller.forget(first)],
    ['a block more', transaction, () => caller.write(file, 0, block)],
    ['a block overwritten', 1, () => caller.write(file, 0, block)],
    ['allocation', transaction, () => caller.fallocate(file, 0, 0, 5 * 4096)],
    ['the first write into it', transaction, () => caller.write(file, 4096, block)],
    ['the second one', 1, () => caller.write(file, 4096, block)],
    ['allocation of what is there', 1, () => caller.fallocate(file, 0, 0, 4096)],
    ['zeroing', transaction, () => caller.fallocate(file, 16, 10, 4 * 4096)],
    ['a hole', transaction, () => caller.fallocate(file, 3, 10, 4 * 4096)],
    ['a hole within a block', 1, () => caller.fallocate(file, 3, 10, 20)],
    ['truncate', transaction, () => caller.truncate(file, 0)],
    ['unlink of the last name', transaction, () => caller.unlink(directory, 'first')],
    ['and the end of the file', transaction, () => caller.forget(file, 2)],
    ['rmdir', transaction, () => caller.rmdir(directory, 'below')],
  ]
  for (const [what, fences, call] of calls) t.equal(cost(call), fences, what)
  test.close()
  t.end()
})

void tap.test('fences per write with copy-on-write', (t) => {
  const test = TestVolume.makeFor('cow', 2048)
  const { caller, medium } = test
  const file = caller.file(root, 'file')
  caller.write(file, 0, Buffer.alloc(2 * 4096))
  const writes: readonly (readonly [what: string, fences: number, offset: number, length: number])[] = [
    ['a block overwritten', transaction, 0, 4096],
    ['a few bytes overwritten', transaction, 10, 100],
    ['an append', transaction, 2 * 4096, 3 * 4096 + 100],
    ['an append within the last block', transaction, 5 * 4096 + 100, 10],
    ['blocks overwritten, unaligned', transaction, 100, 3 * 4096],
    ['a block far away', transaction, 9 * 4096, 4096],
    // The hole is saved after entries of the map have changed.
    ['blocks overwritten, and a hole filled', transaction + 1, 3 * 4096, 6 * 4096],
  ]
  for (const [what, wanted, offset, length] of writes) {
    const { fences } = medium
    t.equal(caller.write(file, offset, Buffer.alloc(length, 1)), length)
    t.equal(medium.fences - fences, wanted, what)
  }
  test.close()
  t.end()
})
