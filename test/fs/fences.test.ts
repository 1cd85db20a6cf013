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
  const create = cost(() => {
    file = caller.file(directory, 'file')
  })
  t.equal(create, transaction, 'create')
  t.equal(
    cost(() => caller.mkdir(directory, 'below')),
    transaction,
    'mkdir',
  )
  t.equal(
    cost(() => caller.symlink(directory, 'link', 'target')),
    transaction,
    'symlink',
  )
  t.equal(
    cost(() => caller.link(file, directory, 'other')),
    transaction,
    'link',
  )
  t.equal(
    cost(() => caller.unlink(directory, 'other')),
    transaction,
    'unlink of one of two names',
  )
  t.equal(
    cost(() => caller.rename(directory, 'file', directory, 'moved')),
    transaction + 1,
    'rename: a name is added, then one removed',
  )
  t.equal(
    cost(() => caller.rename(directory, 'moved', directory, 'first')),
    transaction + 1,
    'rename over another',
  )
  t.equal(
    cost(() => caller.forget(first)),
    transaction,
    'the end of what was replaced',
  )
  t.equal(
    cost(() => caller.write(file, 0, block)),
    transaction,
    'a block more',
  )
  t.equal(
    cost(() => caller.write(file, 0, block)),
    1,
    'a block overwritten',
  )
  t.equal(
    cost(() => caller.truncate(file, 0)),
    transaction + 1,
    'truncate',
  )
  t.equal(
    cost(() => caller.unlink(directory, 'first')),
    transaction,
    'unlink of the last name',
  )
  t.equal(
    cost(() => caller.forget(file, 2)),
    transaction,
    'and the end of the file',
  )
  t.equal(
    cost(() => caller.rmdir(directory, 'below')),
    transaction,
    'rmdir',
  )
  test.close()
  t.end()
})
