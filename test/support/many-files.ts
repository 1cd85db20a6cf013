// SPDX-License-Identifier: GPL-2.0-only
/**
 * A process that does the same with many files, one after the other: CALL DIRECTORY FROM TO, where CALL is create, stat
 * or remove. It prints how many milliseconds that took.
 */
import { closeSync, constants, lstatSync, openSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'

const { O_CREAT, O_EXCL, O_WRONLY } = constants

const calls: Readonly<Record<string, (path: string) => unknown>> = {
  create: (path) => closeSync(openSync(path, O_WRONLY | O_CREAT | O_EXCL)),
  stat: (path) => lstatSync(path),
  remove: (path) => unlinkSync(path),
}

const [name = '', directory = '', from = '', to = ''] = process.argv.slice(2)
const call = calls[name]
if (call === undefined) throw new Error(`there is no call ${name}`)
const start = performance.now()
for (let n = Number(from); n < Number(to); n++) call(join(directory, `file-${n}`))
console.log(performance.now() - start)
