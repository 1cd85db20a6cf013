// SPDX-License-Identifier: GPL-2.0-only
/** Checks what ties inodes together: link counts, names, parents, and that the root can be reached from everywhere. */
import { inode as layout, rootInode } from '../../layout/inode.js'
import { isDirectory } from '../fs/mode.js'
import { type InodeFacts, onOrphanList } from './inode-facts.js'
import type { ProblemKind, Report } from './report.js'

const at = layout.word

export class LinkCheck {
  readonly #facts: InodeFacts
  readonly #report: Report

  constructor(facts: InodeFacts, report: Report) {
    this.#facts = facts
    this.#report = report
  }

  /** Checks an inode in use, after all directories and lists were gone through. */
  check(number: number): void {
    const facts = this.#facts
    const names = facts.names.get(number)
    const isOrphan = names === 0 && (facts.marks.get(number) & onOrphanList) !== 0
    const directory = isDirectory(facts.modeOf(number))
    if (number === rootInode && !directory) return
    if (names === 0 && !isOrphan && number !== rootInode) {
      this.#tell(number, 'nameless', 'it is in use, but has no name and is not on the orphan list')
      return
    }
    const links = facts.field(number, at.links)
    const expected = directory && !isOrphan ? 2 + facts.subdirectories.get(number) : names
    if (links !== expected) this.#tell(number, 'link-count', `link count is ${links}, should be ${expected}`)
    if (directory) this.#checkDirectory(number)
  }

  #checkDirectory(number: number): void {
    const holder = number === rootInode ? rootInode : this.#facts.holder.get(number)
    const parent = this.#facts.field(number, at.parent)
    if (holder !== 0 && parent !== holder) {
      this.#tell(number, 'directory-parent', `parent is ${parent}, should be ${holder}`)
    }
    this.#climb(number)
  }

  /** Goes up until it meets the root, a directory without a name, one from which someone came before, or itself. */
  #climb(start: number): void {
    const { climbed, holder } = this.#facts
    let number = start
    while (number !== 0 && number !== rootInode && climbed.get(number) === 0) {
      climbed.set(number, start)
      number = holder.get(number)
    }
    if (number === 0 || number === rootInode || climbed.get(number) !== start) return
    this.#tell(number, 'directory-cycle', `it lies inside itself, by way of directory ${holder.get(number)}`)
  }

  #tell(number: number, kind: ProblemKind, message: string): void {
    this.#report.problem(kind, `inode ${number}: ${message}`)
  }
}
