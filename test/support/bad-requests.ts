// SPDX-License-Identifier: GPL-2.0-only
/**
 * A server that fails, or hangs, when a test likes. Node loads this file into the server before anything else. While a
 * folder of the test's has a file `fails`, requests are a defect, and while it has a file `waits`, none is answered;
 * `fails-15` and `waits-15` do the same for the opcode 15. A file `came` tells that a request waits.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Server } from '../../src/fuse/server.js'

type Serve = (this: Server, opcode: number) => number

const folder = process.env['PMFS2_TEST_BAD'] ?? ''
const stepMs = 10
const never = new Int32Array(new SharedArrayBuffer(4))
const has = (name: string): boolean => existsSync(join(folder, name))
const is = (what: string, opcode: number): boolean => has(what) || has(`${what}-${opcode}`)

const serve: Serve = Reflect.get(Server.prototype, 'serve')
const bad: Serve = function (opcode) {
  if (is('fails', opcode)) throw new Error('a defect made for a test')
  if (is('waits', opcode)) writeFileSync(join(folder, 'came'), '')
  while (is('waits', opcode)) Atomics.wait(never, 0, 0, stepMs)
  return serve.call(this, opcode)
}
Reflect.set(Server.prototype, 'serve', bad)

// A process loads one such file only.
if (process.env['PMFS2_TEST_PAUSE'] !== undefined) await import('./slow-pause.js')
