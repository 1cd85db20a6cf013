// SPDX-License-Identifier: GPL-2.0-only
/**
 * Long calls that are in hand as long as a test likes. Node loads this file into the server before anything else; a
 * call that was put off is then not gone on with until the test makes a file `go` in a folder of its own.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type LongCall, Turns } from '../../src/fs/long-call.js'

type Part = (this: Turns) => LongCall | null

const folder = process.env['PMFS2_TEST_HELD'] ?? ''

const part: Part = Reflect.get(Turns.prototype, 'part')
const holding: Part = function () {
  // A test that has ended holds nobody.
  return existsSync(folder) && !existsSync(join(folder, 'go')) ? null : part.call(this)
}
Reflect.set(Turns.prototype, 'part', holding)
