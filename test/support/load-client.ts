// SPDX-License-Identifier: GPL-2.0-only
/**
 * A process that makes calls on a mount until one fails: DIRECTORY JOURNAL SEED. Before each call it notes in the
 * journal, which lies elsewhere, what it is about to do, and after it that it is done. It prints the error's code.
 */
import { openSync, writeSync } from 'node:fs'
import { type Files, applyCall, chooseCall, makeCall } from './load-model.js'
import { Random } from './random.js'

const [directory = '', journalPath = '', seed = ''] = process.argv.slice(2)
const journal = openSync(journalPath, 'a')
const random = new Random(Number(seed))
let files: Files = new Map()

try {
  for (;;) {
    const call = chooseCall(random, files)
    writeSync(journal, `${JSON.stringify(call)}\n`)
    makeCall(directory, call)
    writeSync(journal, 'done\n')
    files = applyCall(files, call)
  }
} catch (error) {
  if (!(error instanceof Error) || !('code' in error)) throw error
  console.log(String(error.code))
}
