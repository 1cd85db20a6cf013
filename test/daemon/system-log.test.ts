// SPDX-License-Identifier: GPL-2.0-only
/** The system log of a server that lacks what starting logger(1) takes. */
import childProcess from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { SystemLog } from '../../src/daemon/system-log.js'
import { run } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { until } from '../support/test-mount.js'

const descriptors = 256
const line = `<30>pmfs2-fuse[${process.pid}]: what happened\n`

async function newLog(t: Test): Promise<{ log: SystemLog; taken: () => Promise<boolean> }> {
  const kernelLog = join(await temporaryDirectory(t), 'kmsg')
  await writeFile(kernelLog, '')
  const taken = () => until(async () => (await readFile(kernelLog, 'utf8')) === line)
  return { log: new SystemLog('info', { logger: 'true', kernelLog }), taken }
}

/** Logs a line. @returns what that throws */
function failureOf(log: SystemLog): unknown {
  try {
    log.log('what happened')
    return null
  } catch (error) {
    return error
  }
}

void test('without descriptors', async (t) => {
  const { log, taken } = await newLog(t)
  await run('prlimit', ['--pid', String(process.pid), `--nofile=${descriptors}:`])
  const opened: number[] = []
  try {
    for (;;) opened.push(openSync('/dev/null', 'r'))
  } catch {
    // All are in use.
  }
  const failure = failureOf(log)
  for (const fd of opened) closeSync(fd)
  t.equal(failure, null)
  t.ok(await taken(), 'the kernel takes the line')
})

void test('without memory', async (t) => {
  const { log, taken } = await newLog(t)
  const { spawn } = childProcess
  const put = (replacement: unknown): void => {
    Reflect.set(childProcess, 'spawn', replacement)
    syncBuiltinESMExports()
  }
  t.teardown(() => put(spawn))
  put(() => {
    throw new Error('spawn ENOMEM')
  })
  const failure = failureOf(log)
  put(spawn)
  t.equal(failure, null)
  t.ok(await taken(), 'the kernel takes the line')
})
