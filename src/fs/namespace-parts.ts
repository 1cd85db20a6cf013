// SPDX-License-Identifier: GPL-2.0-only
/** The parts of an engine that calls on names and inodes share. */
import type { Medium } from '../pmem/medium.js'
import type { Acls } from './acls.js'
import type { Clock } from './clock.js'
import type { Directory } from './directory.js'
import type { FreeInodes } from './free-inodes.js'
import type { InodeTable } from './inode-table.js'
import type { Locks } from './locks.js'
import type { Turns } from './long-call.js'
import type { Orphans } from './orphans.js'
import type { Tail } from './tail.js'
import type { Transaction } from './transaction.js'
import type { XattrStore } from './xattr-store.js'

export interface NamespaceParts {
  readonly medium: Medium
  readonly tx: Transaction
  readonly locks: Locks
  readonly turns: Turns
  readonly clock: Clock
  readonly table: InodeTable
  readonly free: FreeInodes
  readonly orphans: Orphans
  readonly directory: Directory
  readonly tail: Tail
  readonly xattrs: XattrStore
  readonly acls: Acls
}
