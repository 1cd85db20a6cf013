// SPDX-License-Identifier: GPL-2.0-only
/** A worker thread that makes native calls for a test: each message names one, each answer is its result. */
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { LIST_HEADER_WORDS, type Mapping, STEP_STORE64, native } from '../../src/native/index.js'
import type { TearsDown } from '../support/temporary.js'

/** One task of the worker; `mapping` is a number that another thread got. */
export type Task =
  | {
      readonly do: 'load' | 'store' | 'add'
      readonly mapping: number
      readonly word: number
      readonly value: number
    }
  | { readonly do: 'wait'; readonly mapping: number; readonly offset: number; readonly expected: number }
  | { readonly do: 'pin'; readonly cpu: number }
  | { readonly do: 'name'; readonly name: string }
  | { readonly do: 'thread' }
  | { readonly do: 'toggle64'; readonly mapping: number; readonly offset: number; readonly rounds: number }
  | { readonly do: 'exchange'; readonly mapping: number; readonly offset: number }

export interface NativeWorker {
  /** The kernel's number of the thread. */
  readonly threadId: number
  run(task: Task): Promise<number>
}

const hangMs = 30_000

/** Starts a worker that ends with the test. */
export async function startNativeWorker(t: TearsDown): Promise<NativeWorker> {
  // Without the test runner's own modules, which take a second to load.
  const worker = new Worker(new URL(import.meta.url), { workerData: 'native-worker', execArgv: [] })
  t.teardown(() => worker.terminate())
  const run = (task: Task) =>
    new Promise<number>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`the worker hangs in ${task.do}`)), hangMs)
      worker.once('error', reject)
      worker.once('message', (result: number) => {
        clearTimeout(timer)
        worker.off('error', reject)
        resolve(result)
      })
      worker.postMessage(task)
    })
  return { threadId: await run({ do: 'thread' }), run }
}

/** Stores all ones and all zeros in turn; then 1 to the word 256 bytes further on. */
function toggle64(mapping: Mapping, offset: number, rounds: number): number {
  const list = native.mapAnonymous(4096) as Mapping
  const words = new Int32Array(native.view(list))
  words[0] = 1
  words.set([STEP_STORE64, mapping, offset], LIST_HEADER_WORDS)
  for (let n = 0; n < rounds; n++) {
    words.fill(-(n & 1), LIST_HEADER_WORDS + 3, LIST_HEADER_WORDS + 5)
    native.persist(list, 0)
  }
  words.set([offset + 256, 1, 0], LIST_HEADER_WORDS + 2)
  const result = native.persist(list, 0)
  native.unmap(list, null)
  return result
}

function perform(task: Task): number {
  switch (task.do) {
    case 'thread':
      return native.threadId()
    case 'pin':
      return native.pin(task.cpu)
    case 'name':
      return native.nameThread(task.name)
    case 'wait':
      return native.futexWait(task.mapping as Mapping, task.offset, task.expected, -1)
    case 'exchange':
      return native.exchange(task.mapping as Mapping, task.offset)
    case 'toggle64':
      return toggle64(task.mapping as Mapping, task.offset, task.rounds)
    default: {
      const words = new Int32Array(native.view(task.mapping as Mapping))
      if (task.do === 'store') Atomics.store(words, task.word, task.value)
      // So many times that two threads that do not see each other's adds would lose some.
      if (task.do === 'add') for (let n = 0; n < task.value; n++) Atomics.add(words, task.word, 1)
      return Atomics.load(words, task.word)
    }
  }
}

if (workerData === 'native-worker')
  parentPort!.on('message', (task: Task) => parentPort!.postMessage(perform(task)))
