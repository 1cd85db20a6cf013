// SPDX-License-Identifier: GPL-2.0-only
/**
 * Requests that take as long as a test likes. Node loads this file into the server before anything else; a lookup of a
 * name that begins with `held` then waits until the test makes a file of this name in a folder of its own.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Engine } from '../../src/fs/engine.js'
import type { Name } from '../../src/fs/name.js'

type Lookup = (this: Engine, parent: number, name: Name) => number

const folder = process.env['PMFS2_TEST_HELD'] ?? ''
const stepMs = 1
const never = new Int32Array(new SharedArrayBuffer(4))

const lookup: Lookup = Reflect.get(Engine.prototype, 'lookup')
const holding: Lookup = function (parent, name) {
  const text = Buffer.from(name.bytes.buffer, name.bytes.byteOffset + name.start, name.length).toString()
  // A test that has ended holds nobody.
  const isHeld = () => existsSync(folder) && !existsSync(join(folder, text))
  if (text.startsWith('held')) while (isHeld()) Atomics.wait(never, 0, 0, stepMs)
  return lookup.call(this, parent, name)
}
Reflect.set(Engine.prototype, 'lookup', holding)
