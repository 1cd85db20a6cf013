// SPDX-License-Identifier: GPL-2.0-only
/** Threads that count at the same time lose nothing, and whoever looks sees the sum. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { test } from 'tap'
import { FUSE_LOOKUP, FUSE_READ } from '../../src/fuse/protocol.js'
import { Statistics } from '../../src/fuse/statistics.js'
import { releaseTransferBuffer } from '../../src/pmem/transfer-buffer.js'

const workers = 3
const rounds = 300_000

const program = `
  import { workerData } from 'node:worker_threads'
  const { Statistics } = await import(workerData.module)
  const statistics = Statistics.view(workerData.mapping, workerData.worker)
  const [lookup, read] = workerData.opcodes
  for (let n = 0; n < workerData.rounds; n++) {
    statistics.count(lookup)
    if (n % 3 === 0) statistics.count(read)
    statistics.countRead(2)
    statistics.countWritten(3)
  }
`

void test('threads count at the same time', async (t) => {
  const statistics = Statistics.create(workers)
  t.same(statistics.requests(), {})
  await Promise.all(
    Array.from({ length: workers }, async (_, worker) => {
      const workerData = {
        module: new URL('../../src/fuse/statistics.js', import.meta.url).href,
        mapping: statistics.buffer.mapping,
        opcodes: [FUSE_LOOKUP, FUSE_READ],
        rounds,
        worker,
      }
      const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`)
      await once(new Worker(url, { workerData, execArgv: [] }), 'exit')
    }),
  )
  t.same(statistics.requests(), { LOOKUP: workers * rounds, READ: (workers * rounds) / 3 })
  t.equal(statistics.bytesRead, 2 * workers * rounds)
  t.equal(statistics.bytesWritten, 3 * workers * rounds)
  releaseTransferBuffer(statistics.buffer)
})
