// SPDX-License-Identifier: GPL-2.0-only
/** Changing the flags that users set, and the project, as a call: whole or not at all. */
import { flagImmutable, userFlags } from '../../layout/inode.js'
import type { EngineParts } from './engine-parts.js'
import { EOPNOTSUPP, EPERM, EROFS } from './errno.js'
import { Inode, inodeField } from './inode.js'
import { flagsOfType } from './user-flags.js'

export class FlagChange {
  readonly #parts: EngineParts
  readonly #inode: Inode

  constructor(parts: EngineParts) {
    this.#parts = parts
    this.#inode = new Inode(parts.medium)
  }

  /**
   * Sets those of the flags that `named` has to what they are in `flags`.
   * @returns 0; -EOPNOTSUPP for flags that a file of this type cannot have; -EPERM for one that is and stays immutable;
   * -EROFS, -ESTALE
   */
  set(number: number, named: number, flags: number): number {
    return this.#call(number, named, flags, false, 0)
  }

  /** The same, and the project; its word may be signed. */
  setWithProject(number: number, named: number, flags: number, project: number): number {
    return this.#call(number, named, flags, true, project)
  }

  #call(number: number, named: number, flags: number, withProject: boolean, project: number): number {
    const { end, locks, setting, table } = this.#parts
    if (setting.isReadOnly) return -EROFS
    const inode = this.#inode
    let error: number
    locks.lockMetadata()
    locks.lockInodes(number)
    try {
      error = table.open(number, inode)
      if (error === 0) error = this.#change(named, flags, withProject ? project : inode.project)
    } catch (damage) {
      error = end.giveUp(damage, number)
    }
    locks.unlockInodes()
    end.unlockMetadata()
    return error
  }

  #change(named: number, flags: number, project: number): number {
    const inode = this.#inode
    const wanted = (inode.flags & userFlags & ~named) | (flags & named)
    if ((wanted & ~flagsOfType(inode.mode)) !== 0) return -EOPNOTSUPP
    const changed = (inode.flags & userFlags) ^ wanted
    const isOtherProject = project >>> 0 !== inode.project
    const staysImmutable = (inode.flags & wanted & flagImmutable) !== 0
    if (staysImmutable && (changed !== 0 || isOtherProject)) return -EPERM
    const { tx, clock } = this.#parts
    tx.begin()
    inode.saveContents(tx)
    if (isOtherProject) inode.save(tx, inodeField.project, 1)
    inode.put(tx, inodeField.flags, (inode.flags & ~userFlags) | wanted)
    if (isOtherProject) inode.put(tx, inodeField.project, project)
    inode.putChanged(tx, clock)
    tx.end()
    return 0
  }
}
