// SPDX-License-Identifier: GPL-2.0-only
/** Finds one inode by way of the table's map, each step held against the volume's bounds. */
import { rootsBlock } from '../../../layout/geometry.js'
import { inodesPerBlock, largestInode } from '../../../layout/inode.js'
import { mapEntryWords } from '../../../layout/map-node.js'
import { roots, tableHeight } from '../../../layout/roots.js'
import { childIndex } from '../../fs/block-map.js'
import { Inode } from '../../fs/inode.js'
import { wordOfInode } from '../inode-facts.js'
import type { VolumeView } from '../volume-view.js'

/** What is asked for is not there, and nothing is wrong with that. */
export class NotThereError extends Error {
  override readonly name = 'NotThereError'
}

/** @returns the inode, free or in use; or how the way to it is damaged @throws NotThereError */
export function findInode(view: VolumeView, number: number): Inode | string {
  if (!Number.isInteger(number) || number < 1 || number > largestInode) {
    throw new NotThereError(`there is no inode ${number}: they are numbered from 1 to ${largestInode}`)
  }
  if (!view.canRead(rootsBlock)) return `the roots are damaged: block ${rootsBlock} is bad`
  const index = Math.floor(number / inodesPerBlock)
  const blocks = view.word(rootsBlock, roots.word.tableBlocks)
  if (index >= blocks) {
    throw new NotThereError(`there is no inode ${number}: the table ends with ${blocks * inodesPerBlock - 1}`)
  }
  let block = view.word(rootsBlock, roots.word.tableRoot)
  for (let level = tableHeight - 1; level >= 0; level--) {
    if (!view.isShared(block)) return `the inode table is damaged: it names block ${block}`
    if (!view.canRead(block)) return `the inode table is damaged: block ${block} of its map is bad`
    block = view.word(block, childIndex(index, level) * mapEntryWords)
    if (block === 0) throw new NotThereError(`there is no inode ${number}: the table has a hole there`)
  }
  if (!view.isShared(block)) return `the inode table is damaged: it names block ${block}`
  if (!view.canRead(block)) return `block ${block}, in which inode ${number} stands, is bad`
  const inode = new Inode(view.medium)
  inode.point(number, block, wordOfInode(number))
  return inode
}
