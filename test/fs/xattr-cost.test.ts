// SPDX-License-Identifier: GPL-2.0-only
/** How much is flushed when extended attributes change: whole ranges, however many words they have. */
import { type Test, test } from 'tap'
import { Random } from '../support/random.js'
import { TestVolume, root } from '../support/test-volume.js'

/** A transaction flushes words of the inode, of the bitmaps, and of the header of the block of attributes. */
const mostFlushes = 24

const value = (length: number, salt = 1): Buffer => Buffer.from(new Random(salt).bytes(length))

function flushes(t: Test, { medium }: TestVolume, call: () => number): number {
  medium.startRecording()
  t.equal(call(), 0)
  return medium.stopRecording().events.filter(({ kind }) => kind === 'flush').length
}

void test('an attribute is flushed as a range, as is what moves up when one goes', (t) => {
  const volume = TestVolume.of(t, 512)
  const { caller } = volume
  const file = caller.file(root, 'f')
  const name = `user.${'n'.repeat(250)}`
  const calls: readonly (readonly [what: string, call: () => number])[] = [
    ['a new one', () => caller.setxattr(file, name, value(2000))],
    ['another value in its place', () => caller.setxattr(file, name, value(2000, 2))],
    ['one more', () => caller.setxattr(file, 'user.b', value(1500))],
    ['a shorter value, to which another one moves up', () => caller.setxattr(file, name, value(100))],
    ['removal of the first one', () => caller.removexattr(file, 'user.b')],
  ]
  for (const [what, call] of calls) {
    const count = flushes(t, volume, call)
    t.ok(count > 0 && count <= mostFlushes, `${what}: ${count} flushes`)
  }
  t.same(caller.getxattr(file, name), value(100))
  t.end()
})
