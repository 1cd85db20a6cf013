// SPDX-License-Identifier: GPL-2.0-only
/** How a file is opened: the flags of open(2), as numbers or as the strings of node:fs. */
import { constants } from 'node:fs'
import { integerOf } from './arguments.js'
import { invalidValue } from './invalid-argument.js'

export const {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} = constants
export const accessModes = O_RDONLY | O_WRONLY | O_RDWR
/** Without an effect here: every write is durable, and there is no cache to go past. */
const idle =
  constants.O_SYNC | constants.O_DSYNC | constants.O_NONBLOCK | constants.O_NOCTTY | constants.O_DIRECT
/** O_CLOEXEC and O_LARGEFILE of Linux: what they ask for is so in any case. */
const granted = 0o2000000 | 0o100000
const known =
  accessModes | O_APPEND | O_CREAT | O_DIRECTORY | O_EXCL | O_NOATIME | O_NOFOLLOW | O_TRUNC | idle | granted

const synchronous = constants.O_SYNC
const replacing = O_TRUNC | O_CREAT
const appending = O_APPEND | O_CREAT

const byText: Readonly<Record<string, number>> = {
  r: O_RDONLY,
  rs: O_RDONLY | synchronous,
  sr: O_RDONLY | synchronous,
  'r+': O_RDWR,
  'rs+': O_RDWR | synchronous,
  'sr+': O_RDWR | synchronous,
  w: replacing | O_WRONLY,
  wx: replacing | O_WRONLY | O_EXCL,
  xw: replacing | O_WRONLY | O_EXCL,
  'w+': replacing | O_RDWR,
  'wx+': replacing | O_RDWR | O_EXCL,
  'xw+': replacing | O_RDWR | O_EXCL,
  a: appending | O_WRONLY,
  ax: appending | O_WRONLY | O_EXCL,
  xa: appending | O_WRONLY | O_EXCL,
  as: appending | O_WRONLY | synchronous,
  sa: appending | O_WRONLY | synchronous,
  'a+': appending | O_RDWR,
  'ax+': appending | O_RDWR | O_EXCL,
  'xa+': appending | O_RDWR | O_EXCL,
  'as+': appending | O_RDWR | synchronous,
  'sa+': appending | O_RDWR | synchronous,
}

/**
 * @throws TypeError, RangeError, for what node:fs refuses, and for flags that have a meaning that is not served here
 */
export function openFlagsOf(flags: unknown): number {
  if (flags === undefined || flags === null) return O_RDONLY
  if (typeof flags === 'number') {
    const bits = integerOf(flags, 'flags', -(2 ** 31), 2 ** 31 - 1)
    const unknown = bits & ~known
    if (unknown !== 0)
      throw invalidValue('flags', `asks for 0o${(unknown >>> 0).toString(8)}, which is not supported`, flags)
    return bits
  }
  const bits = typeof flags === 'string' && Object.hasOwn(byText, flags) ? byText[flags] : undefined
  if (bits === undefined) throw invalidValue('flags', 'is invalid', flags)
  return bits
}
