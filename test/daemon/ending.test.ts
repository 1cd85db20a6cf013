// SPDX-License-Identifier: GPL-2.0-only
/** Which signals stop the workers at once, while something that was begun for the first one is not done. */
import { test } from 'tap'
import { Ending } from '../../src/daemon/ending.js'
import { MountCalls } from '../../src/daemon/mount-calls.js'
import { Statistics } from '../../src/fuse/statistics.js'

const firstAt = 5000

void test('signals that come together are one request', (t) => {
  let time = firstAt
  Reflect.defineProperty(performance, 'now', { value: () => time, configurable: true })
  t.teardown(() => Reflect.deleteProperty(performance, 'now'))
  const events: string[] = []
  const ending = new Ending({
    calls: new MountCalls(null),
    workers: { stop: () => events.push('stop'), fail: (error) => events.push(`fail: ${String(error)}`) },
    statistics: Statistics.create(1),
    whenServing: () => events.push('begin'),
  })
  ending.ask()
  for (const laterMs of [0, 5, 999]) {
    time = firstAt + laterMs
    ending.ask()
    t.same(events, ['begin'], `${laterMs} ms later`)
  }
  t.notOk(ending.hasStopped)
  time = firstAt + 1000
  ending.ask()
  t.same(events, ['begin', 'stop'], 'a second later')
  t.ok(ending.hasStopped)
  t.end()
})
