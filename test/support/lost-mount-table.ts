// SPDX-License-Identifier: GPL-2.0-only
/**
 * A server that cannot read the mount table any more once it has closed /dev/fuse, as if all descriptors were in use.
 * Node loads this file into it before anything else. It begins when a file of the test's is there.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const { closeSync, existsSync, readFileSync, readlinkSync } = fs
const begins = process.env['PMFS2_TEST_LOST'] ?? ''

function failing(path: string, ...rest: readonly unknown[]): unknown {
  if (path.endsWith('/mountinfo')) throw new Error('EMFILE: too many open files, made for a test')
  return Reflect.apply(readFileSync, fs, [path, ...rest])
}

fs.closeSync = (fd) => {
  const isOfKernel = readlinkSync(`/proc/self/fd/${fd}`) === '/dev/fuse'
  closeSync(fd)
  if (!isOfKernel || !existsSync(begins)) return
  Reflect.set(fs, 'readFileSync', failing)
  syncBuiltinESMExports()
}
syncBuiltinESMExports()
