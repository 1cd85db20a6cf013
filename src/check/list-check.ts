// SPDX-License-Identifier: GPL-2.0-only
/** Checks the two lists that run through the inodes: that of the free ones and that of the orphans. */
import { rootsBlock } from '../../layout/geometry.js'
import { flagListed, flagOrphan, inode as layout, inodesPerBlock } from '../../layout/inode.js'
import { roots } from '../../layout/roots.js'
import { type InodeFacts, onFreeList, onOrphanList } from './inode-facts.js'
import type { Report } from './report.js'
import type { VolumeView } from './volume-view.js'

const at = layout.word
/** Lost inodes that are named. */
const mostNamed = 5

/** Follows both lists and marks the inodes on them; a list that is damaged ends there. */
export function checkLists(view: VolumeView, facts: InodeFacts, report: Report): void {
  followFreeList(view, facts, report)
  followOrphanList(view, facts, report)
}

/** Finds blocks of inodes, and inodes, that are on no list and should be. */
export function checkListed(view: VolumeView, facts: InodeFacts, report: Report): void {
  const isListed = view.word(rootsBlock, roots.word.isListed) === 1
  const lost = new LostInodes()
  for (const number of facts.inodes()) {
    const marks = facts.marks.get(number)
    if (facts.modeOf(number) === 0) {
      const isStray =
        isListed && (marks & onFreeList) === 0 && (facts.field(number, at.flags) & flagListed) !== 0
      lost.addFree(number, !isListed || (marks & onFreeList) !== 0, isStray)
    } else if ((facts.field(number, at.flags) & flagOrphan) !== 0 && (marks & onOrphanList) === 0) {
      report.problem(
        'orphan-lost',
        `inode ${number}: it is an orphan by its flag, but not on the orphan list`,
      )
    }
  }
  lost.tell(report)
}

/**
 * Free inodes in blocks of which none stands on the free list; and those that wrongly say that they stand there too.
 */
class LostInodes {
  readonly #strays: number[] = []
  readonly #named: number[] = []
  #count = 0
  /** The block whose inodes are being gone through, and what is free in it. */
  #block = -1
  #isListed = false
  #free: number[] = []
  #flagged: number[] = []

  /** Takes free inodes in rising order. @param isStray its flag says that it stands on the list, and it does not */
  addFree(number: number, isListed: boolean, isStray: boolean): void {
    const block = Math.floor(number / inodesPerBlock)
    if (block !== this.#block) this.#finishBlock()
    this.#block = block
    this.#free.push(number)
    if (isListed) this.#isListed = true
    if (isStray) this.#flagged.push(number)
  }

  tell(report: Report): void {
    this.#finishBlock()
    for (const number of this.#strays)
      report.problem('free-list', `inode ${number}: its flag says it is on the free list, but it is not`)
    if (this.#count === 0) return
    const named = this.#named.join(', ') + (this.#count > this.#named.length ? ', …' : '')
    report.problem(
      'free-lost',
      `free list: free inodes in blocks that are not on it: ${this.#count} (${named})`,
    )
  }

  #finishBlock(): void {
    if (this.#isListed) {
      this.#strays.push(...this.#flagged)
    } else {
      this.#count += this.#free.length
      this.#named.push(...this.#free.slice(0, mostNamed - this.#named.length))
    }
    this.#free = []
    this.#flagged = []
    this.#isListed = false
  }
}

function followFreeList(view: VolumeView, facts: InodeFacts, report: Report): void {
  // A list that is to be made anew means nothing, and what should be on it is not lost.
  if (view.word(rootsBlock, roots.word.isListed) !== 1) return
  let previous = 0
  let number = view.word(rootsBlock, roots.word.freeInode)
  const blocks = new Set<number>()
  while (number !== 0) {
    const mode = facts.modeOf(number)
    const wrong =
      mode < 0 ? 'which does not exist' : mode > 0 ? 'which is in use' : again(facts, number, onFreeList)
    if (wrong !== null) {
      const before = previous === 0 ? 'the roots' : `the links of inode ${previous}`
      report.problem('free-list', `free list: ${before} name inode ${number}, ${wrong}`)
      return
    }
    mark(facts, number, onFreeList)
    checkFreeInode(facts, number, previous, report)
    const block = Math.floor(number / inodesPerBlock)
    if (blocks.has(block))
      report.problem('free-list', `inode ${number}: another one of its block is on the free list already`)
    blocks.add(block)
    previous = number
    number = facts.field(number, at.next)
  }
}

function checkFreeInode(facts: InodeFacts, number: number, previous: number, report: Report): void {
  if ((facts.field(number, at.flags) & flagListed) === 0)
    report.problem('free-list', `inode ${number}: it is on the free list, but its flag does not say so`)
  checkPrevious(facts, number, previous, 'free', report)
}

/** The links back have to agree with the way that was taken. */
function checkPrevious(
  facts: InodeFacts,
  number: number,
  previous: number,
  list: 'free' | 'orphan',
  report: Report,
): void {
  const said = facts.field(number, at.previous)
  if (said === previous) return
  report.problem(
    `${list}-list`,
    `inode ${number}: previous on the ${list} list is ${said}, should be ${previous}`,
  )
}

function followOrphanList(view: VolumeView, facts: InodeFacts, report: Report): void {
  let previous = 0
  let number = view.word(rootsBlock, roots.word.orphanInode)
  while (number !== 0) {
    const before = previous === 0 ? 'the roots' : `the links of inode ${previous}`
    const mode = facts.modeOf(number)
    const wrong =
      mode < 0 ? 'which does not exist' : mode === 0 ? 'which is free' : again(facts, number, onOrphanList)
    if (wrong !== null) {
      report.problem('orphan-list', `orphan list: ${before} name inode ${number}, ${wrong}`)
      return
    }
    mark(facts, number, onOrphanList)
    if ((facts.field(number, at.flags) & flagOrphan) === 0) {
      report.problem('orphan-list', `inode ${number}: it is on the orphan list, but its flag does not say so`)
    }
    checkPrevious(facts, number, previous, 'orphan', report)
    previous = number
    number = facts.field(number, at.next)
  }
}

function again(facts: InodeFacts, number: number, list: number): string | null {
  return (facts.marks.get(number) & list) === 0 ? null : 'which stands on it already'
}

function mark(facts: InodeFacts, number: number, list: number): void {
  facts.marks.set(number, facts.marks.get(number) | list)
}
