// SPDX-License-Identifier: GPL-2.0-only
/** Looking at a volume beside its server: again where it has grown since, and only then. */
import { test } from 'tap'
import { lookAtServed } from '../../src/cli/served-volume.js'
import { formattedDevice } from '../api/formatted-device.js'

const usageOf = (totalBytes: number) => ({
  totalBytes,
  usedBytes: 0,
  freeBytes: 0,
  usedInodes: 0,
  freeInodes: 0,
})

void test('it looks again only where the volume has grown since', async (t) => {
  const path = formattedDevice(t, 2 ** 22)
  const report = (devices: readonly string[], totalBytes: number) => ({
    devices,
    usage: usageOf(totalBytes),
    pid: null,
  })
  const [none, more, good] = [['/nowhere'], ['/nowhere', '/nowhere-too'], [path]]
  for (const [reports, isFound] of [
    [[report(good, 1)], true],
    [[report(none, 1), report(none, 1), report(good, 1)], false],
    [[report(none, 1), report(more, 1), report(more, 1), report(good, 1)], false],
    [[report(none, 1), report(good, 2)], true],
    [[report(none, 1), report(more, 2), report(more, 3), report(good, 4)], true],
  ] as const) {
    const left = [...reports]
    const looked = lookAtServed(() => Promise.resolve(left.shift()!), '/source')
    if (isFound) {
      const { names, own } = await looked
      own.close()
      t.same(names, [path])
      t.equal(left.length, 0)
    } else {
      await t.rejects(looked, { message: /nowhere: there is no such file/ })
      t.equal(left.length, 1, 'it asks no more')
    }
  }
  const { names, own } = await lookAtServed(() => Promise.resolve(report([], 1)), path)
  own.close()
  t.same(names, [path], 'an older server does not tell its devices')
})
