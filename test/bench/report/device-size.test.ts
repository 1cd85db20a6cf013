// SPDX-License-Identifier: GPL-2.0-only
/** What must hold of large devices is judged by what was measured. */
import tap, { type Test } from 'tap'
import { figures, quantitiesOf, startOfNode, verdicts } from '../../../bench/report/device-size.js'
import { memoryTable } from '../../../bench/report/server-memory.js'
import { type Channel, type Size, type Turn, memorySizes } from '../../../bench/workloads/device-sizes.js'

const channel: Channel = { name: 'uring', title: 'io_uring', options: [] }
const other: Channel = { name: 'devfuse', title: '/dev/fuse', options: [] }

function turn(size: Size, number: number, changes: Partial<Turn> = {}): Turn {
  const mkfs = { seconds: 0.3, megabytes: 60 }
  return {
    size,
    channel,
    number,
    nodeSeconds: 0.1,
    mkfs,
    mountSeconds: 0.9,
    serverMegabytes: 109,
    idleMegabytes: 60,
    workers: 2,
    ...changes,
  }
}

const small = [turn('64G', 0), turn('64G', 1), turn('64G', 2)]
const large = [turn('1T', 0), turn('1T', 1), turn('1T', 2)]

/** What does not hold of these. */
function failing(t: Test, turns: readonly Turn[]): string[] {
  const { table, allHold } = verdicts(quantitiesOf([channel], turns), turns)
  const rows = table.split('\n').filter((row) => row.endsWith('| no |'))
  t.equal(allHold, rows.length === 0)
  return rows.map((row) => row.split(' | ')[0]!.slice(2))
}

void tap.test('all holds below the limits, whatever Node takes', (t) => {
  t.same(failing(t, [...small, ...large]), [])
  const slowNode = { nodeSeconds: 2, mountSeconds: 2.8, mkfs: { seconds: 2.2, megabytes: 60 } }
  t.same(
    failing(
      t,
      [...small, ...large].map((one) => ({ ...one, ...slowNode })),
    ),
    [],
  )
  t.end()
})

void tap.test('64 GiB must stay below the limits', (t) => {
  const changed = (changes: Partial<Turn>): Turn[] =>
    [...small, ...large].map((one) => ({ ...one, ...changes }))
  t.same(failing(t, changed({ mountSeconds: 1.2 })), ['mount over io_uring beyond `node -e 0`, 64 GiB'])
  t.same(failing(t, changed({ serverMegabytes: 150 })), ['memory of the server over io_uring, 64 GiB'])
  t.same(failing(t, changed({ mkfs: { seconds: 1.2, megabytes: 151 } })), [
    '`mkfs` beyond `node -e 0`, 64 GiB',
    'memory of `mkfs`, 64 GiB',
  ])
  t.end()
})

void tap.test('1 TiB must not take more than half as much again', (t) => {
  const slow = large.map((one) => ({ ...one, mountSeconds: 1.4, serverMegabytes: 160 }))
  t.same(failing(t, [...small, ...slow]), ['mount over io_uring beyond `node -e 0`, 1 TiB / 64 GiB'])
  const heavy = large.map((one) => ({ ...one, mkfs: { seconds: 0.3, megabytes: 100 } }))
  t.same(failing(t, [...small, ...heavy]), ['memory of `mkfs`, 1 TiB / 64 GiB'])
  t.end()
})

void tap.test('the tables have medians and their range, of the channel that a row is about', (t) => {
  const mounts = [0.8, 0.9, 1.0].map((mountSeconds, n) => turn('64G', n, { mountSeconds }))
  const others = [turn('64G', 3, { channel: other, mountSeconds: 9, serverMegabytes: 200 })]
  const turns = [...mounts, ...others, ...large]
  const quantities = quantitiesOf([channel], turns)
  t.same(figures(quantities, turns, 's').split('\n').slice(2), [
    '| `mkfs` | 0.30 (0.30–0.30) | 0.30 (0.30–0.30) |',
    '| mount over io_uring | 0.90 (0.80–1.00) | 0.90 (0.90–0.90) |',
  ])
  t.same(figures(quantities, turns, 'MB').split('\n').slice(2), [
    '| memory of `mkfs` | 60 (60–60) | 60 (60–60) |',
    '| memory of the server over io_uring | 109 (109–109) | 109 (109–109) |',
  ])
  t.equal(startOfNode(turns), '`node -e 0`: 0.10 (0.10–0.10) s')
  t.end()
})

void tap.test('memory is told by the number of workers that servers had', (t) => {
  const channels = [channel, other].flatMap((one) => [1, 4].map((workers) => ({ ...one, workers })))
  const turns = channels.flatMap((one, n) =>
    memorySizes.map((size) => {
      const mebibytes = (n + 1) * 2 ** 20
      // The kernel had one queue.
      const workers = one.name === 'uring' ? 1 : one.workers
      return turn(size, n, {
        channel: one,
        workers,
        idleMegabytes: (10 * mebibytes) / 1e6,
        serverMegabytes: ((size === '1T' ? 30 : 20) * mebibytes) / 1e6,
      })
    }),
  )
  t.equal(
    memoryTable(channels, turns),
    [
      '| MiB | 1 worker | 4 workers |',
      '| --- | ---: | ---: |',
      '| PSS, 1 GiB, io_uring | 10 | – |',
      '| `VmHWM`, 64 GiB, io_uring | 20 | – |',
      '| `VmHWM`, 1 TiB, io_uring | 30 | – |',
      '| PSS, 1 GiB, /dev/fuse | 30 | 40 |',
      '| `VmHWM`, 64 GiB, /dev/fuse | 60 | 80 |',
      '| `VmHWM`, 1 TiB, /dev/fuse | 90 | 120 |',
    ].join('\n'),
  )
  t.end()
})
