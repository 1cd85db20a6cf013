// SPDX-License-Identifier: GPL-2.0-only
/** Threads that sync one file: who waits for what, and who gets an error. */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../support/test-mount.js'
import { temporaryDirectory } from '../support/temporary.js'

void test('threads that wait share the next sync, and every one gets an error', async (t) => {
  const folder = await temporaryDirectory(t)
  const program = join(folder, 'backing')
  const sources = ['test/native/backing.c', 'src/native/backing.c'].map((path) => join(packageRoot, path))
  // What the build takes, too, where nothing else is said.
  const flags = ['-std=gnu11', '-D_GNU_SOURCE', '-pthread']
  execFileSync(process.env['CC'] ?? 'cc', [...flags, '-o', program, ...sources])
  const file = openSync(join(folder, 'file'), 'w+')
  t.teardown(() => closeSync(file))
  const lines = execFileSync(program, { encoding: 'utf8', stdio: [file, 'pipe', 'inherit'], timeout: 30_000 })
  t.same(lines.trimEnd().split('\n'), [
    'same 1',
    // One is under way, which may have passed the pages of those that came later.
    'began 1 returned 0',
    'began 2 returned 1',
    'began 2 told 4 failures 0',
    'began 1 returned 0',
    'began 2 returned 1',
    'began 2 told 4 failures 1',
    'failures 0',
  ])
})
