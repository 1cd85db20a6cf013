// SPDX-License-Identifier: GPL-2.0-only
/** Reading fio's JSON: the sum of both directions, and every answer that is no figure refused. */
import t from 'tap'
import { parseFio } from '../../bench/fio.js'

const job = (error: number, readBytes: number, writtenBytes: number): object => ({
  error,
  read: { bw_bytes: readBytes },
  write: { bw_bytes: writtenBytes },
})
const output = (...jobs: object[]): string => JSON.stringify({ jobs })
const MiB = 2 ** 20

void t.test('adds up reads and writes of all jobs', (t) => {
  t.equal(parseFio(output(job(0, 70 * MiB, 30 * MiB))), 100)
  t.equal(parseFio(output(job(0, 70 * MiB, 30 * MiB), job(0, MiB, MiB))), 102)
  t.end()
})

void t.test('skips the remarks ahead of the JSON', (t) => {
  t.equal(parseFio(`note: both iodepth and sync engine\n${output(job(0, MiB, 0))}`), 1)
  t.end()
})

void t.test('refuses what is no figure', (t) => {
  t.throws(() => parseFio(output(job(0, MiB, MiB), job(5, MiB, MiB))), { message: 'fio: err=5 (an errno)' })
  t.throws(() => parseFio(output()), { message: 'fio ran no job' })
  t.throws(() => parseFio('fio: unrecognized option'), { message: /no figures/ })
  t.end()
})
