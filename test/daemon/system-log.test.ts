// SPDX-License-Identifier: GPL-2.0-only
/** The system log: long lines, and a server that lacks what starting logger(1) takes. */
import childProcess from 'node:child_process'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { SystemLog, logCommand, logToSystem, messagesOf } from '../../src/daemon/system-log.js'
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

/** Longer than two messages, with two-byte letters. */
const words = Array.from({ length: 300 }, (_, n) => `wörd${n}`)
/** A name can be longer than a message. */
const longName = `/${'ü'.repeat(1500)}`

/** What was logged, once the end of the last line has been. */
async function allOf(read: () => Promise<string>, end: string): Promise<string[]> {
  await until(async () => (await read()).endsWith(`${end}\n`))
  return (await read()).trimEnd().split('\n')
}

function areWhole(t: Test, messages: readonly string[], mostBytes: number, what: string): void {
  t.ok(
    messages.every((message) => Buffer.byteLength(message) <= mostBytes),
    `${what}: none is too long`,
  )
  const texts = messages.map((message) =>
    message.replace(/^<\d+>pmfs2-fuse\[\d+\]: /, '').replace(/^\.\.\. /, ''),
  )
  t.same(texts.join(' ').split(' ').slice(0, words.length), words, `${what}: words are whole`)
  t.equal(texts.join('').split('/').at(-1), longName.slice(1), `${what}: nothing is lost`)
}

void test('long lines, where logger(1) takes 1 KiB of each', async (t) => {
  const folder = await temporaryDirectory(t)
  const [taken, logger] = [join(folder, 'taken'), join(folder, 'logger')]
  const read = () => readFile(taken, 'utf8').catch(() => '')
  const line = `${words.join(' ')} ${longName}`
  // Of standard input it makes further messages of the rest, and of a parameter it drops it.
  const script = [
    "case $* in *' -- '*) for last; do :; done; printf '%s\\n' \"$last\" | cut -b -1024 ;;",
    '*) fold -b -w 1024 ;; esac',
  ].join('\n')
  await writeFile(logger, `#!/bin/sh\n{ ${script}; } >>'${taken}'\n`, { mode: 0o755 })
  const kernelLog = join(folder, 'kmsg')
  const log = new SystemLog('info', { logger, kernelLog })
  log.log('before', line, 'after')
  const [before, ...messages] = await allOf(read, 'after')
  t.equal(before, 'before', 'lines stay in order')
  areWhole(t, messages.slice(0, -1), 1024, 'in the background')

  await writeFile(taken, '')
  t.ok(logToSystem(line, { logger, kernelLog }))
  areWhole(t, await allOf(read, 'ü'), 1024, 'waiting')

  await writeFile(taken, '')
  const path = `PATH=${folder}:${process.env['PATH']}`
  await run('env', [path, 'sh', '-c', logCommand, 'pmfs2-watch', '1', ...messagesOf(line)])
  areWhole(t, await allOf(read, 'ü'), 1024, 'by a shell')
})

void test('long lines, where the kernel refuses what is longer than 976 bytes', async (t) => {
  const kernelLog = join(await temporaryDirectory(t), 'kmsg')
  await run('mkfifo', [kernelLog])
  const fd = openSync(kernelLog, constants.O_RDWR | constants.O_NONBLOCK)
  t.teardown(() => closeSync(fd))
  const buffer = Buffer.alloc(2 ** 16)
  const line = `${words.join(' ')} ${longName}`
  t.ok(logToSystem(line, { logger: 'false', kernelLog }))
  const records = buffer.toString('utf8', 0, readSync(fd, buffer)).trimEnd().split('\n')
  areWhole(t, records, 976, 'waiting')
  new SystemLog('info', { logger: 'false', kernelLog }).log(line)
  let all = ''
  const read = () => {
    try {
      all += buffer.toString('utf8', 0, readSync(fd, buffer))
    } catch {
      // There is nothing more yet.
    }
    return Promise.resolve(all)
  }
  areWhole(t, await allOf(read, 'ü'), 976, 'in the background')
})

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
