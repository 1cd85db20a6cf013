// SPDX-License-Identifier: GPL-2.0-only
/** Requests that are put off: when a part of one is done, and how they are answered. */
import { test } from 'tap'
import { LongCall, Turns, partLeft } from '../../src/fs/long-call.js'
import type { RequestHandler } from '../../src/fuse/request-handler.js'
import { RequestTurns } from '../../src/fuse/request-turns.js'

class Parts extends LongCall {
  #left: number

  constructor(parts: number) {
    super()
    this.#left = parts
  }

  override goOn(): number {
    return --this.#left > 0 ? partLeft : 0
  }
}

/** Requests by the places where they lie, and those that were answered. */
class Requests {
  readonly calls = new Turns()
  readonly answered: number[] = []
  readonly turns: RequestTurns
  timesRead = 0
  isStopped = false

  constructor() {
    const handler = { files: { turns: this.calls }, setClock: () => this.timesRead++ }
    this.turns = new RequestTurns(handler as unknown as RequestHandler, this)
    this.turns.open(3)
  }

  putOff(place: number, parts: number, call: LongCall = new Parts(parts)): void {
    this.calls.run(call)
    this.turns.putOff(place)
  }

  answer(place: number): void {
    this.answered.push(place)
  }
}

void test('a request is answered where it lies, when its last part is done', (t) => {
  const requests = new Requests()
  const { answered, calls, turns } = requests
  requests.putOff(7, 3)
  calls.runUnawaited(new Parts(3))
  requests.putOff(9, 2)
  t.same(answered, [])
  turns.take()
  turns.take()
  t.same(answered, [], 'nobody waits for the second call')
  turns.take()
  t.same(answered, [9])
  turns.take()
  t.same(answered, [9, 7])
  t.ok(turns.isEmpty)
  t.equal(requests.timesRead, 4, 'each part knows what time it is')
  t.end()
})

void test('a part is done when nothing has come, or sixteen others were served', (t) => {
  const requests = new Requests()
  const { turns } = requests
  requests.putOff(1, 100)
  turns.takeIfDue(false)
  t.equal(requests.timesRead, 1)
  for (let n = 0; n < 16; n++) turns.takeIfDue(true)
  t.equal(requests.timesRead, 1)
  turns.takeIfDue(true)
  t.equal(requests.timesRead, 2)
  t.end()
})

void test('a pause answers all, an unmount and a stop nobody', (t) => {
  const ends = (['paused', 'unmounted', 'stopped'] as const).map((end) => {
    const requests = new Requests()
    requests.putOff(4, 3)
    requests.putOff(5, 3)
    requests.turns.end(end)
    const { isEmpty } = requests.turns
    // What comes after a pause is told apart from what was before.
    requests.putOff(6, 2)
    requests.turns.take()
    return [end, isEmpty, requests.answered]
  })
  t.same(ends, [
    ['paused', true, [4, 5, 6]],
    ['unmounted', true, [6]],
    ['stopped', true, [6]],
  ])
  t.end()
})

void test('a stop outweighs a pause, and waits for one part only', (t) => {
  const requests = new Requests()
  const { answered, turns } = requests
  requests.putOff(1, 2)
  let parts = 0
  const endless = new (class extends LongCall {
    override goOn(): number {
      requests.isStopped = ++parts === 3
      return partLeft
    }
  })()
  requests.putOff(2, 0, endless)
  t.equal(turns.end('paused'), 'stopped')
  t.same([answered, parts, turns.isEmpty], [[1], 3, true])
  t.end()
})
