// SPDX-License-Identifier: GPL-2.0-only
/** What the kernel is told to write has arrived in memory before, also where a batch is full. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../support/test-mount.js'
import { temporaryDirectory } from '../support/temporary.js'

const spans = 64

void test('a fence goes before every run of msync, and none before nothing', async (t) => {
  const program = join(await temporaryDirectory(t), 'sync-batch')
  const sources = ['test/native/sync-batch.c', 'src/native/sync-batch.c'].map((path) =>
    join(packageRoot, path),
  )
  // What the build takes, too, where nothing else is said.
  execFileSync(process.env['CC'] ?? 'cc', ['-std=gnu11', '-D_GNU_SOURCE', '-o', program, ...sources])
  const lines = execFileSync(program, { encoding: 'utf8' }).trimEnd().split('\n')
  const synced = Array.from({ length: spans }, (_, n) => `msync ${2 * n}+1`)
  // Two pages of one mapping, and the next one of another.
  const neighbours = ['neighbours', 'fence', 'msync 2+2', 'msync 4+1']
  t.same(lines, ['fence', ...synced, 'full', 'fence', `msync ${2 * spans}+1`, 'again', ...neighbours])
})
