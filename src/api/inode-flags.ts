// SPDX-License-Identifier: GPL-2.0-only
/** The flags that users set on files and directories (chattr(1), ioctl_iflags(2)), and the project. */
import {
  flagAppend,
  flagDirSync,
  flagImmutable,
  flagNoAtime,
  flagNoDump,
  flagProjectInherit,
  flagSync,
  inode as layout,
} from '../../layout/inode.js'
import { integerOf } from './arguments.js'
import { check } from './api-error.js'
import type { BytePath } from './byte-path.js'
import { booleanOf, optionsOf } from './options.js'
import type { Session } from './session.js'

const bits = {
  /** Writes only append. */
  appendOnly: flagAppend,
  /** Nothing of it can be changed. */
  immutable: flagImmutable,
  /** Its access time is not updated. */
  noatime: flagNoAtime,
  sync: flagSync,
  dirsync: flagDirSync,
  nodump: flagNoDump,
  /** What is made in the directory gets its project. */
  projectInherit: flagProjectInherit,
} as const

type FlagName = keyof typeof bits

/** Flags by their names in chattr(1), and the number of the project. */
export type InodeFlags = Record<FlagName, boolean> & { project: number }

const names = Object.keys(bits) as FlagName[]

export function flagsOf(session: Session, inode: number, path: BytePath): InodeFlags {
  const words = session.walk.attributes(inode, 'ioctl', path)
  const flags = words[layout.word.flags]!
  const found: Partial<InodeFlags> = { project: words[layout.word.project]! >>> 0 }
  for (const name of names) found[name] = (flags & bits[name]) !== 0
  return found as InodeFlags
}

/** Sets those that are named; the others stay. @throws TypeError, RangeError for what is no flag */
export function changeFlags(session: Session, inode: number, changes: unknown, path: BytePath): void {
  const given = optionsOf('setFlags', changes, [...names, 'project'])
  let named = 0
  let flags = 0
  for (const name of names) {
    if (given[name] === undefined) continue
    named |= bits[name]
    if (booleanOf(given[name], name)) flags |= bits[name]
  }
  const calls = session.engine.flags
  const error =
    given.project === undefined
      ? calls.set(inode, named, flags)
      : calls.setWithProject(inode, named, flags, integerOf(given.project, 'project', 0, 2 ** 32 - 1))
  check(error, 'ioctl', path)
}
