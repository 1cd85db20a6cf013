// SPDX-License-Identifier: GPL-2.0-only
/** Which channel is chosen, by the state of the kernel's switch, and what people are told. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { chooseChannel } from '../../src/daemon/channel-choice.js'
import { temporaryDirectory } from '../support/temporary.js'

void test('the switch decides', async (t) => {
  const file = join(await temporaryDirectory(t), 'enable_uring')
  const missing = join(file, 'missing')
  writeFileSync(file, 'Y\n')
  t.same(chooseChannel('auto', false, file), { channel: 'uring', notice: null })
  t.same(chooseChannel('uring', true, file), { channel: 'uring', notice: null })
  t.same(chooseChannel('devfuse', true, file), { channel: 'devfuse', notice: null })

  writeFileSync(file, 'N\n')
  const off = 'FUSE over io_uring is off in the kernel (--enable-uring turns it on)'
  t.same(chooseChannel('auto', false, file), {
    channel: 'devfuse',
    notice: `serving over /dev/fuse: ${off}`,
  })
  t.throws(() => chooseChannel('uring', false, file), {
    message: `the channel uring cannot be had: ${off}`,
    exitCode: 32,
  })
  t.same(chooseChannel('devfuse', true, file), { channel: 'devfuse', notice: null })
  t.equal(readFileSync(file, 'utf8'), 'N\n', 'who wants no ring leaves the switch alone')
  t.same(chooseChannel('auto', true, file), {
    channel: 'uring',
    notice: `turned FUSE over io_uring on (${file})`,
  })
  t.equal(readFileSync(file, 'utf8'), 'Y')

  t.match(chooseChannel('auto', true, missing), { channel: 'devfuse', notice: /needs Linux 6.14/ })
  t.throws(() => chooseChannel('uring', true, missing), { message: /needs Linux 6.14/ })
})
