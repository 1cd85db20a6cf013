// SPDX-License-Identifier: GPL-2.0-only
/** What /proc shows of the thread that made a request. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { isInChown } from '../../src/fuse/caller.js'
import { FakeSys } from '../support/fake-sys.js'

/** fchown(2) on the processors that the server knows. */
const fchown = process.arch === 'arm64' ? 55 : 93
const read = process.arch === 'arm64' ? 63 : 0
const asleep = (call: number) => `${call} 0x3 0xffffffff 0xffffffff 0x0 0x0 0x0 0x7ffd0 0x7f000`

void t.test('a thread that sleeps in a system call', async (t) => {
  const proc = await FakeSys.make(t)
  proc.write('12/syscall', asleep(fchown))
  proc.write('13/syscall', asleep(read))
  t.equal(isInChown(12, proc.root), true)
  t.equal(isInChown(13, proc.root), false)
  t.equal(isInChown(14, proc.root), false, 'one that cannot be seen')
  t.equal(isInChown(0, proc.root), false)
})

void t.test('a thread that has sent its request and does not sleep yet', async (t) => {
  const proc = await FakeSys.make(t)
  proc.write('12/syscall', 'running')
  const path = join(proc.root, '12/syscall')
  const script = 'sleep 0.03; echo "$1" >"$2.new"; mv "$2.new" "$2"'
  const child = spawn('sh', ['-c', script, 'sh', asleep(fchown), path])
  await once(child, 'spawn')
  t.equal(isInChown(12, proc.root), true)
  await once(child, 'close')
})

void t.test('a thread that never sleeps', async (t) => {
  const proc = await FakeSys.make(t)
  proc.write('12/syscall', 'running')
  t.equal(isInChown(12, proc.root), false)
})
