// SPDX-License-Identifier: GPL-2.0-only
/** Embedded databases: LMDB stores through a file that is mapped for reading, RocksDB appends, syncs and renames. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { run } from '../support/run-command.js'
import { TestMount, packageRoot } from '../support/test-mount.js'
import { chosenChannel, comesBack, lacksSharedMappings, patience } from './program-mount.js'

tap.setTimeout(600_000 * patience)

const limitMs = 200_000 * patience

async function lmdb(t: Test): Promise<void> {
  const mount = await TestMount.mounted(t)
  const folder = join(mount.mountpoint, 'lmdb')
  await mkdir(folder)
  await run(
    '/usr/bin/python3',
    [join(packageRoot, 'test', 'programs', 'lmdb-writers.py'), folder, '3000'],
    limitMs,
  )
  const entries = async (): Promise<string> =>
    /Entries: (\d+)/.exec(await run('mdb_stat', [folder]))?.[1] ?? ''
  t.equal(await entries(), '6001')
  await comesBack(t, mount)
  t.equal(await entries(), '6001')
  await mkdir(`${folder}-copy`)
  await run('mdb_copy', ['-c', folder, `${folder}-copy`])
}

if (!lacksSharedMappings) void tap.test('LMDB', lmdb)

void tap.test('RocksDB', async (t) => {
  const mount = await TestMount.mounted(t, '2G', ...chosenChannel)
  const folder = join(mount.mountpoint, 'rocksdb')
  const bench = (...args: readonly string[]): Promise<string> =>
    run('db_bench', [`--db=${folder}`, '--num=100000', '--threads=2', '--disable_wal=0', ...args], limitMs)
  await bench('--benchmarks=fillrandom,overwrite,readrandom,deleterandom,compact,verifychecksum')
  await bench('--benchmarks=overwrite', '--sync=1', '--use_existing_db=1')
  if (!lacksSharedMappings)
    await bench(
      '--benchmarks=overwrite,verifychecksum',
      '--use_existing_db=1',
      '--mmap_read=1',
      '--mmap_write=1',
    )
  await bench(
    '--benchmarks=overwrite,verifychecksum',
    '--use_existing_db=1',
    '--use_direct_reads=1',
    '--use_direct_io_for_flush_and_compaction=1',
  )
  await comesBack(t, mount, ...chosenChannel)
  t.match(await run('ldb', [`--db=${folder}`, 'checkconsistency'], limitMs), /OK/)
  await bench('--benchmarks=verifychecksum,readseq', '--use_existing_db=1')
})
