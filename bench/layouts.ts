// SPDX-License-Identifier: GPL-2.0-only
/**
 * A process that compares two layouts of a volume on two devices: mapped one after the other, and mapped alternately
 * in stripes of 2 MiB. One thread and two copy pieces of 1 MiB past the caches, with the layouts in turn. Both devices
 * are files in the same RAM, so neither layout can gain bandwidth, and what stripes cost is seen. Prints GB/s:
 *
 *     node dist/bench/layouts.js [ROUNDS]
 */
import { ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { LIST_HEADER_WORDS, type Mapping, STEP_COPY, native } from '../src/native/index.js'
import { createTransferBuffer } from '../src/pmem/transfer-buffer.js'
import { median } from './statistics.js'

const mebibyte = 2 ** 20
const stripeBytes = 2 * mebibyte
const deviceBytes = 512 * mebibyte
const pieceBytes = mebibyte
const pieces = (2 * deviceBytes) / pieceBytes
const usualRounds = 41

/** Where pieces lie: in mappings of one length, end to end. */
interface Layout {
  readonly mappings: readonly Mapping[]
  readonly mappingBytes: number
}

interface Task {
  readonly layout: Layout
  readonly first: number
  readonly count: number
}

/** Copies pieces one after the other, each durable before the next. */
class Copier {
  readonly #list = createTransferBuffer('bench list', 4096)
  readonly #from = createTransferBuffer('bench data', pieceBytes)

  constructor() {
    this.#from.bytes.fill(7)
    this.#list.words.set([1, STEP_COPY, 0, 0, pieceBytes, this.#from.mapping, 0])
  }

  run({ layout: { mappings, mappingBytes }, first, count }: Task): void {
    for (let piece = first; piece < first + count; piece++) {
      const at = piece * pieceBytes
      this.#list.words[LIST_HEADER_WORDS + 1] = mappings[Math.floor(at / mappingBytes)]!
      this.#list.words[LIST_HEADER_WORDS + 2] = at % mappingBytes
      if (native.persist(this.#list.mapping, 0) !== 0) throw new Error('persist was refused')
    }
  }
}

function mapped(fd: number, offset: number, length: number): Mapping {
  const mapping = native.map(fd, offset, length, 0)
  if (mapping < 0) throw new Error(`mmap: errno ${-mapping}`)
  return mapping as Mapping
}

function layoutsOf(fds: readonly number[]): Record<string, Layout> {
  const stripes = Array.from({ length: (fds.length * deviceBytes) / stripeBytes }, (_, n) =>
    mapped(fds[n % fds.length]!, Math.floor(n / fds.length) * stripeBytes, stripeBytes),
  )
  return {
    'one after the other': {
      mappings: fds.map((fd) => mapped(fd, 0, deviceBytes)),
      mappingBytes: deviceBytes,
    },
    'in stripes of 2 MiB': { mappings: stripes, mappingBytes: stripeBytes },
  }
}

/** @returns GB/s of all threads together */
async function timed(workers: readonly Worker[], layout: Layout): Promise<number> {
  const count = pieces / workers.length
  const start = performance.now()
  await Promise.all(
    workers.map(
      (worker, n) =>
        new Promise<void>((resolve, reject) => {
          worker.removeAllListeners()
          worker.once('message', () => resolve()).once('error', reject)
          worker.postMessage({ layout, first: n * count, count } satisfies Task)
        }),
    ),
  )
  return (pieces * pieceBytes) / (performance.now() - start) / 1e6
}

function quartile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * part)]!
}

async function compare(fds: readonly number[], rounds: number): Promise<void> {
  const layouts = Object.entries(layoutsOf(fds))
  const workers = [0, 1].map((worker) => new Worker(new URL(import.meta.url), { workerData: worker }))
  for (const threads of [1, 2]) {
    const speeds = layouts.map((): number[] => [])
    // The first round allocates the pages, and does not count.
    for (let round = 0; round <= rounds; round++)
      for (const [n, [, layout]] of layouts.entries()) {
        const speed = await timed(workers.slice(0, threads), layout)
        if (round > 0) speeds[n]!.push(speed)
      }
    for (const [n, [name]] of layouts.entries()) {
      const [low, middle, high] = [quartile(speeds[n]!, 0.25), median(speeds[n]!), quartile(speeds[n]!, 0.75)]
      const told = `${middle.toFixed(1)} GB/s (quartiles ${low.toFixed(1)} and ${high.toFixed(1)})`
      console.log(`${threads} ${threads === 1 ? 'thread' : 'threads'}, ${name}: ${told}`)
    }
  }
  await Promise.all(workers.map((worker) => worker.terminate()))
}

async function main(): Promise<void> {
  const rounds = Number(process.argv[2] ?? usualRounds)
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('ROUNDS is a whole number from 1 on')
  const folder = mkdtempSync('/dev/shm/pmfs2-layouts-')
  const fds = ['first', 'second'].map((name) => openSync(join(folder, name), 'w+'))
  // However this ends, nothing stays behind.
  rmSync(folder, { recursive: true })
  for (const fd of fds) ftruncateSync(fd, deviceBytes)
  await compare(fds, rounds)
}

if (isMainThread) await main()
else {
  native.pin(workerData as number)
  const copier = new Copier()
  parentPort!.on('message', (task: Task) => {
    copier.run(task)
    parentPort!.postMessage(null)
  })
}
