// SPDX-License-Identifier: GPL-2.0-only
/** What counts as noticing a mutant. */
import { test } from 'tap'
import { compile } from './compile.js'
import { type End, OutOfTime, failureIn } from './verdict.js'

const passed: End = { status: 0, signal: null, stdout: 'ok 1 - one\n1..1\n' }
const failed: End = {
  status: 1,
  signal: null,
  stdout: 'ok 1 - one\n    not ok 2 - two # time=3ms\nnot ok 3 - three\n',
}

void test('a point that fails, and a crash, are', (t) => {
  t.equal(failureIn(passed), null)
  t.match(failureIn(failed), /^two/)
  t.match(failureIn({ ...failed, status: null, signal: 'SIGKILL' }), /^two/, 'however it ends after that')
  t.equal(failureIn({ status: null, signal: 'SIGSEGV', stdout: 'ok 1 - one\n' }), 'it ended with SIGSEGV')
  t.end()
})

void test('no other end is', (t) => {
  const late = Object.assign(new Error('spawnSync node ETIMEDOUT'), { code: 'ETIMEDOUT' })
  const ends: Record<string, End> = {
    'a program that does not load': { status: 1, signal: null, stdout: '' },
    'a test that was killed': { status: null, signal: 'SIGKILL', stdout: 'ok 1 - one\n' },
    'a test that takes too long': { status: null, signal: 'SIGABRT', stdout: 'ok 1 - one\n', error: late },
    'a limit of tap': { status: 1, signal: null, stdout: 'ok 1 - one\nnot ok 2 - timeout!\n' },
    'a limit of a process': { status: 1, signal: null, stdout: 'not ok 1 - spawnSync /tmp/x ETIMEDOUT\n' },
  }
  for (const [name, end] of Object.entries(ends)) {
    let thrown: unknown = null
    try {
      failureIn(end)
    } catch (error) {
      thrown = error
    }
    t.type(thrown, Error, name)
    t.equal(thrown instanceof OutOfTime, /too long|limit/.test(name), 'a mutant may be meant to hang a test')
  }
  t.end()
})

void test('a mutant that does not parse is an error', (t) => {
  t.match(compile('export const one: number = 1'), /^export const one = 1;/)
  t.throws(() => compile('export const one: number = '), /does not parse: Expression expected/)
  t.end()
})
