// SPDX-License-Identifier: GPL-2.0-only
/** Checks the extended attributes of one inode, and takes the blocks that they hold. */
import { flagCapability } from '../../layout/inode.js'
import { type Inode, inodeField } from '../fs/inode.js'
import { canHaveXattr, hasOneName } from '../fs/xattr-name.js'
import { aclProblem } from './acl-check.js'
import { type Claims, ownerName } from './claims.js'
import type { Report } from './report.js'
import type { VolumeView } from './volume-view.js'
import { type FoundXattr, valueOf, xattrsOf } from './xattr-walk.js'

export class XattrCheck {
  readonly #view: VolumeView
  readonly #claims: Claims
  readonly #report: Report

  constructor(view: VolumeView, claims: Claims, report: Report) {
    this.#view = view
    this.#claims = claims
    this.#report = report
  }

  /** @returns blocks of attributes */
  check(inode: Inode): number {
    if (inode.get(inodeField.xattrRoot) === 0 && inode.get(inodeField.xattrBytes) === 0) {
      if (inode.flags & flagCapability) this.#tellFlag(inode)
      return 0
    }
    let held = 0
    let hasCapability = false
    const names = new Set<string>()
    const take = (block: number, isLoaded = true): boolean => {
      const isTaken = this.#claims.take(block, inode.number, 'attribute', isLoaded)
      if (isTaken) held++
      return isTaken
    }
    const say = (problem: string): void => this.#tell(inode, problem)
    for (const xattr of xattrsOf(this.#view, inode, take, say)) {
      const { name, blocks, isPadded } = xattr
      if (names.has(name)) say(`attribute ${name} stands in it more than once`)
      names.add(name)
      if (!isPadded) say(`attribute ${name} is not padded with zeros`)
      if (!canHaveXattr(inode.mode, xattr.namespace))
        say(`attribute ${name} is one that its type cannot have`)
      if (name === '"security.capability"') hasCapability = true
      for (const block of blocks) take(block, false)
      if (hasOneName(xattr.namespace)) this.#checkAcl(inode, xattr)
    }
    if (hasCapability !== ((inode.flags & flagCapability) !== 0)) this.#tellFlag(inode)
    return held
  }

  #checkAcl(inode: Inode, xattr: FoundXattr): void {
    const value = valueOf(
      this.#view,
      xattr,
      (block) => this.#view.isShared(block) && this.#view.canRead(block),
    )
    const problem = value === null ? null : aclProblem(xattr.namespace, value, inode.mode)
    if (problem !== null) this.#tell(inode, problem)
  }

  #tellFlag(inode: Inode): void {
    const isSet = (inode.flags & flagCapability) !== 0
    this.#tell(
      inode,
      isSet
        ? 'flag for security.capability is set, but it does not have the attribute'
        : 'flag for security.capability is not set, but it has the attribute',
    )
  }

  #tell(inode: Inode, problem: string): void {
    this.#report.problem('xattr', `${ownerName(inode.number)}: ${problem}`)
  }
}
