// SPDX-License-Identifier: GPL-2.0-only
/**
 * A defect for the tests of what becomes of a server that has one. Node loads this file into the server before anything
 * else, and reading a file of a certain owner then fails as nothing but a bug in the program would.
 */
import { File } from '../../src/fs/file.js'
import type { Inode } from '../../src/fs/inode.js'
import { marks } from './defect-marks.js'

type Read = (this: File, inode: Inode, ...rest: readonly unknown[]) => number

const read = Reflect.get(File.prototype, 'read') as Read
const failing: Read = function (inode, ...rest) {
  if (inode.uid === marks.uid && inode.gid === marks.gid) throw new Error('a defect made for a test')
  return read.call(this, inode, ...rest)
}
Reflect.set(File.prototype, 'read', failing)
