// SPDX-License-Identifier: GPL-2.0-only
/**
 * Long calls that are in hand as long as a test likes. Node loads this file into the server before anything else; a
 * call that was put off is then not gone on with until the test makes a file `go` in a folder of its own. While there
 * is such a folder, the server makes a file in it for each call that it puts off.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'
import { type LongCall, Turns, putOff } from '../../src/fs/long-call.js'

type Part = (this: Turns) => LongCall | null
type Run = (this: Turns, call: LongCall) => number
type RunUnawaited = (this: Turns, call: LongCall) => void

const folder = process.env['PMFS2_TEST_HELD'] ?? ''

const part: Part = Reflect.get(Turns.prototype, 'part')
const holding: Part = function () {
  // A test that has ended holds nobody.
  return existsSync(folder) && !existsSync(join(folder, 'go')) ? null : part.call(this)
}
Reflect.set(Turns.prototype, 'part', holding)

let count = 0
const note = () => {
  // FORGETs beside a ring are served by another thread, which counts for itself.
  if (existsSync(folder)) writeFileSync(join(folder, `${threadId}-${count++}`), '')
}
const run: Run = Reflect.get(Turns.prototype, 'run')
const notingRun: Run = function (call) {
  const result = run.call(this, call)
  if (result === putOff) note()
  return result
}
Reflect.set(Turns.prototype, 'run', notingRun)
const runUnawaited: RunUnawaited = Reflect.get(Turns.prototype, 'runUnawaited')
const notingRunUnawaited: RunUnawaited = function (call) {
  runUnawaited.call(this, call)
  if (call.isPutOff) note()
}
Reflect.set(Turns.prototype, 'runUnawaited', notingRunUnawaited)
