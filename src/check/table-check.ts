// SPDX-License-Identifier: GPL-2.0-only
/** Checks the roots and the inode table's map, and finds every block of inodes. */
import { rootsBlock } from '../../layout/geometry.js'
import { inodesPerBlock, largestInode, mostFreshGeneration } from '../../layout/inode.js'
import { roots, tableHeight } from '../../layout/roots.js'
import { superblock } from '../../layout/superblock.js'
import { totalBlocks } from '../fs/geometry.js'
import { hasIdentifier, isSameIdentifier } from '../fs/identifier.js'
import { wordsOfBlock } from '../fs/self-describing-block.js'
import type { BlockTree } from './block-tree.js'
import { tableOwner } from './claims.js'
import type { InodeFacts } from './inode-facts.js'
import type { Report } from './report.js'
import type { VolumeView } from './volume-view.js'

const mostTableBlocks = (largestInode + 1) / inodesPerBlock

/** Fills the facts' table. @returns how many inodes there are, free ones and number 0 included */
export function checkTable(view: VolumeView, tree: BlockTree, facts: InodeFacts, report: Report): number {
  const root = view.word(rootsBlock, roots.word.tableRoot)
  const height = view.word(rootsBlock, roots.word.tableHeight)
  const said = view.word(rootsBlock, roots.word.tableBlocks)
  if (height !== tableHeight) {
    report.problem('roots', `roots: height of the inode table is ${height}, should be ${tableHeight}`)
  }
  if (root === 0) report.problem('roots', 'roots: the inode table has no root')
  const end = Math.min(said, mostTableBlocks, totalBlocks(view.geometry))
  if (said !== end)
    report.problem('roots', `roots: the inode table has ${said} blocks, should have ${end} at most`)

  let found = 0
  tree.walk(tableOwner, root, root === 0 ? 0 : tableHeight, (index, block) => {
    if (index >= end) {
      report.problem('table', `inode table: block ${block} stands at ${index}, beyond its ${end} blocks`)
      return
    }
    found++
    facts.tableBlock.set(index, block)
  })
  checkGeneration(view, report)
  checkReserved(view, report)
  checkIdentity(view, report)
  const held = view.word(rootsBlock, roots.word.heldBlocks)
  const isListed = view.word(rootsBlock, roots.word.isListed)
  if (isListed > 1) report.problem('roots', `roots: isListed is ${isListed}, should be 0 or 1`)
  if (isListed === 1 && held !== found)
    report.problem('roots', `roots: count of the inode table's blocks is ${held}, should be ${found}`)
  return found * inodesPerBlock
}

function checkGeneration(view: VolumeView, report: Report): void {
  const generation = view.word(rootsBlock, roots.word.freshGeneration)
  if (generation <= mostFreshGeneration) return
  report.problem('roots', `roots: freshGeneration is ${generation}, should be ${mostFreshGeneration} at most`)
}

function checkReserved(view: VolumeView, report: Report): void {
  const { badRoot, badHeight, reserved } = roots.word
  if ([badRoot, badHeight, reserved].every((word) => view.word(rootsBlock, word) === 0)) return
  report.problem('roots', 'roots: reserved words are not 0')
}

function checkIdentity(view: VolumeView, report: Report): void {
  const words = wordsOfBlock(view.medium, rootsBlock)
  const { identity } = roots.word
  if (!hasIdentifier(words, identity)) return
  if (!isSameIdentifier(words, identity, view.superblock.words, superblock.word.identity))
    report.problem('roots', 'roots: identity is not that of the volume')
}
