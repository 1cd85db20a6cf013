// SPDX-License-Identifier: GPL-2.0-only
/**
 * Preloaded into a server (node --import): its workers then tell, every so many requests, how much of the JavaScript
 * heap these took. What a worker does from one request to the next all lies in between, its channel included.
 */
import { writeSync } from 'node:fs'
import { getHeapStatistics } from 'node:v8'
import { threadId } from 'node:worker_threads'
import { native } from '../../src/native/index.js'

/**
 * Requests from one line to the next; test/mount/allocation.test.ts counts on it. Asking for the size of the heap takes
 * some 2 KB of it, which many requests have to share.
 */
const probedRequests = 4000

const original = { ...native }
let calls = 0
let before = 0

function used(): number {
  return getHeapStatistics().used_heap_size
}

function tell(): void {
  writeSync(2, `heap ${threadId} ${used() - before}\n`)
  before = used()
}

native.exchange = (mapping, offset) => {
  const result = original.exchange(mapping, offset)
  if (++calls % probedRequests === 0) tell()
  return result
}
native.exchangeRing = (ring) => {
  const result = original.exchangeRing(ring)
  if (++calls % probedRequests === 0) tell()
  return result
}
