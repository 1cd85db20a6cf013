// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a stop word does to a thread that looks for a request while it has one in hand: a stop ends that at once. A
 * pause waits, or a request that waits for space would be told that there is none.
 */
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { PAUSE, STOP, exchangeBlock, native } from '../../src/native/index.js'
import { run } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { anonymous, errno } from './memory.js'

void test('beside a request in hand', async (t) => {
  // Nobody writes to it.
  const path = join(await temporaryDirectory(t), 'requests')
  await run('mkfifo', [path])
  const fd = openSync(path, 'r+')
  t.teardown(() => closeSync(fd))
  const { words, mapping } = anonymous(t, 16_384)
  words[exchangeBlock.fd] = fd
  words[exchangeBlock.requestMapping] = mapping
  words[exchangeBlock.requestOffset] = 4096
  words[exchangeBlock.requestCapacity] = 8192
  const exchange = (timeoutMs: number, stop: number): number => {
    words[exchangeBlock.timeoutMs] = timeoutMs
    words[exchangeBlock.stop] = stop
    return native.exchange(mapping, 0)
  }
  for (const timeoutMs of [1, -1]) {
    t.equal(exchange(timeoutMs, 0), -errno.EAGAIN)
    t.equal(exchange(timeoutMs, PAUSE), -errno.EAGAIN)
    t.equal(exchange(timeoutMs, STOP), -errno.EINTR)
  }
  t.equal(exchange(0, PAUSE), -errno.EINTR, 'and with none in hand, both end the wait')
  t.equal(exchange(0, STOP), -errno.EINTR)
})
