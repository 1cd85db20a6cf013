// SPDX-License-Identifier: GPL-2.0-only
/** Reading fio's JSON: bandwidths of all jobs, percentiles, and every answer that is no figure refused. */
import t from 'tap'
import { parseFio } from '../../../bench/workloads/fio.js'

const MiB = 2 ** 20
const job = (error: number, bytes: number, percentile?: Record<string, number>): object => ({
  error,
  mixed: { bw_bytes: bytes, clat_ns: percentile === undefined ? {} : { percentile } },
})
const output = (...jobs: object[]): string => JSON.stringify({ jobs })
const percentiles = { '50.000000': 9000, '99.000000': 40_500, '99.900000': 1_000_000 }

void t.test('adds up all jobs', (t) => {
  t.same(parseFio(output(job(0, 100 * MiB))), { bandwidth: 100 })
  t.same(parseFio(output(job(0, 100 * MiB), job(0, 2 * MiB))), { bandwidth: 102 })
  t.end()
})

void t.test('percentiles are microseconds, and those of several jobs are not mixed up', (t) => {
  const found = parseFio(output(job(0, MiB, percentiles)))
  t.same(found, { bandwidth: 1, p50: 9, p99: 40.5, 'p99.9': 1000 })
  t.same(parseFio(output(job(0, MiB, percentiles), job(0, MiB, percentiles))), { bandwidth: 2 })
  t.end()
})

void t.test('skips the remarks ahead of the JSON', (t) => {
  t.same(parseFio(`note: both iodepth and sync engine\n${output(job(0, MiB))}`), { bandwidth: 1 })
  t.end()
})

void t.test('refuses what is no figure', (t) => {
  t.throws(() => parseFio(output(job(0, MiB), job(5, MiB))), { message: 'fio: err=5 (an errno)' })
  t.throws(() => parseFio(output()), { message: 'fio ran no job' })
  t.throws(() => parseFio('fio: unrecognized option'), { message: /no figures/ })
  t.end()
})
