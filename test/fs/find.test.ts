// SPDX-License-Identifier: GPL-2.0-only
/** Finding an inode by its number alone: what is being made is not found before it is made. */
import { test } from 'tap'
import { RecordingMedium } from '../support/recording-medium.js'
import { TestVolume, formatSmall, root } from '../support/test-volume.js'

const blocks = 512

/** Calls back whenever something has become durable. */
class InterruptedMedium extends RecordingMedium {
  interrupt: () => void = () => undefined

  override fence(): void {
    super.fence()
    this.interrupt()
  }
}

void test('an inode that is being made', (t) => {
  const medium = new InterruptedMedium([new Uint8Array(blocks * 4096)])
  formatSmall(medium, [blocks])
  const { volume, caller } = TestVolume.open(medium)
  const other = volume.engine(1)
  const first = caller.file(root, 'first')
  const next = first + 1
  t.equal(other.find(first), first)
  t.equal(other.find(next), -116, 'ESTALE: not in use yet')

  // Who would wait for a lock is told so, instead of waiting for a call that it interrupts.
  volume.state.markFailed()
  const refusals: string[] = []
  medium.interrupt = () => {
    try {
      refusals.push(`found ${other.find(next)}`)
    } catch (error) {
      refusals.push(String(error))
    }
  }
  t.equal(caller.file(root, 'next'), next)
  medium.interrupt = () => undefined
  t.ok(refusals.length > 0)
  for (const refusal of refusals)
    t.match(refusal, /waiting for the metadata lock, which worker 0 holds/, 'the finder has to wait')
  t.equal(other.find(next), next, 'and afterwards it is there')
  t.end()
})

void test('an inode without a name, to which the kernel has yet to give back its references', (t) => {
  const { volume, caller } = TestVolume.of(t, blocks)
  const other = volume.engine(1)
  const file = caller.file(root, 'file')
  const linked = caller.file(root, 'linked')
  t.equal(caller.link(linked, root, 'second'), 0)
  for (const name of ['file', 'linked']) t.equal(caller.unlink(root, name), 0)
  t.equal(other.find(file), -116, 'ESTALE, though its number is not free yet')
  t.equal(other.find(linked), linked, 'a name is left')
  t.end()
})
