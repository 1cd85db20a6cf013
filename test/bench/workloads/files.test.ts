// SPDX-License-Identifier: GPL-2.0-only
/** What the client in C says, as figures. */
import t from 'tap'
import { filesPerSecond } from '../../../bench/workloads/files.js'

void t.test('seconds become files per second', (t) => {
  t.same(filesPerSecond('create 0.5\nstat 0.25\n', 1000), { create: 2000, stat: 4000 })
  t.end()
})

void t.test('what is no figure is refused', (t) => {
  t.throws(() => filesPerSecond('', 1000), { message: /files-client said/ })
  t.throws(() => filesPerSecond('create\n', 1000), { message: /files-client said "create"/ })
  t.throws(() => filesPerSecond('create 0\n', 1000), { message: /files-client said/ })
  t.end()
})
