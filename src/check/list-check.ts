// SPDX-License-Identifier: GPL-2.0-only
/** Checks the two lists that run through the inodes: that of the free ones and that of the orphans. */
import { rootsBlock } from '../../layout/geometry.js'
import { flagOrphan, inode as layout } from '../../layout/inode.js'
import { roots } from '../../layout/roots.js'
import { type InodeFacts, onFreeList, onOrphanList } from './inode-facts.js'
import type { Report } from './report.js'
import type { VolumeView } from './volume-view.js'

const at = layout.word
/** Lost inodes that are named. */
const mostNamed = 5

/** Follows both lists and marks who stands on them; a list that is damaged ends there. */
export function checkLists(view: VolumeView, facts: InodeFacts, report: Report): void {
  followFreeList(view, facts, report)
  followOrphanList(view, facts, report)
}

/** Finds inodes that are on no list, and should be. */
export function checkListed(facts: InodeFacts, report: Report): void {
  const lost: number[] = []
  let count = 0
  for (const number of facts.inodes()) {
    const marks = facts.marks.get(number)
    if (facts.modeOf(number) === 0) {
      if ((marks & onFreeList) !== 0) continue
      count++
      if (lost.length < mostNamed) lost.push(number)
    } else if ((facts.field(number, at.flags) & flagOrphan) !== 0 && (marks & onOrphanList) === 0) {
      report.problem(
        'orphan-lost',
        `inode ${number}: it is an orphan by its flag, but not on the orphan list`,
      )
    }
  }
  if (count === 0) return
  const named = lost.join(', ') + (count > lost.length ? ', …' : '')
  report.problem('free-lost', `free list: free inodes that are not on it: ${count} (${named})`)
}

function followFreeList(view: VolumeView, facts: InodeFacts, report: Report): void {
  let before = 'the roots'
  let number = view.word(rootsBlock, roots.word.freeInode)
  while (number !== 0) {
    const mode = facts.modeOf(number)
    const wrong =
      mode < 0 ? 'which does not exist' : mode > 0 ? 'which is in use' : again(facts, number, onFreeList)
    if (wrong !== null) {
      report.problem('free-list', `free list: ${before} name inode ${number}, ${wrong}`)
      return
    }
    mark(facts, number, onFreeList)
    before = `the links of inode ${number}`
    number = facts.field(number, at.next)
  }
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
    const said = facts.field(number, at.previous)
    if (said !== previous) {
      report.problem(
        'orphan-list',
        `inode ${number}: previous on the orphan list is ${said}, should be ${previous}`,
      )
    }
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
