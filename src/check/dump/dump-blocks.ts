// SPDX-License-Identifier: GPL-2.0-only
/** Dumps the blocks of an inode: a file's as extents, a directory's as the nodes and leaves of its tree. */
import { leafHeader } from '../../../layout/directory.js'
import { type Inode, inodeField } from '../../fs/inode.js'
import { S_IFLNK, S_IFMT, isDirectory } from '../../fs/mode.js'
import { BlockTree } from '../block-tree.js'
import { Claims } from '../claims.js'
import { sizeOf } from '../inode-fields.js'
import { Report } from '../report.js'
import type { VolumeView } from '../volume-view.js'
import { directoryBlocks } from './directory-walk.js'
import { type DumpRow, type DumpSection, field, section } from './section.js'

export function dumpBlocks(view: VolumeView, inode: Inode): DumpSection {
  return isDirectory(inode.mode) ? dumpTree(view, inode) : dumpExtents(view, inode)
}

function dumpExtents(view: VolumeView, inode: Inode): DumpSection {
  const report = new Report()
  const claims = new Claims(view, report)
  const tree = new BlockTree(view, claims, report)
  const rows: { index: number; block: number; count: number; state: string }[] = []
  let dataBlocks = 0
  tree.walk(inode.number, inode.root, inode.height, (index, block, isUnwritten) => {
    dataBlocks++
    const state = view.bad.has(block) ? 'bad' : isUnwritten ? 'unwritten' : 'written'
    const last = rows.at(-1)
    const isNext = last && last.index + last.count === index && last.block + last.count === block
    if (isNext && last.state === state) last.count++
    else rows.push({ index, block, count: 1, state })
  })
  const role = (inode.mode & S_IFMT) === S_IFLNK ? 'targetBlocks' : 'dataBlocks'
  const fields = [
    field('size', sizeOf(inode)),
    field('blocks', inode.blocks),
    field('root', inode.root),
    field('height', inode.height),
    field(role, dataBlocks),
    field('mapBlocks', tree.claimed - dataBlocks),
    field('xattrRoot', inode.get(inodeField.xattrRoot)),
  ]
  const shared = [...claims.shared].map((block) => `block ${block} stands in it more than once`)
  return section(`blocks of inode ${inode.number}`, fields, rows, [...report.lines(), ...shared])
}

function dumpTree(view: VolumeView, inode: Inode): DumpSection {
  const damage: string[] = []
  const rows: DumpRow[] = []
  for (const { block, isLeaf, level, entry } of directoryBlocks(view, inode, damage)) {
    rows.push({
      level,
      kind: isLeaf ? 'leaf' : 'node',
      entry,
      block,
      depth: isLeaf ? view.word(block, leafHeader.word.depth) : '',
      slots: isLeaf ? view.word(block, leafHeader.word.slots) : '',
      garbageWords: isLeaf ? view.word(block, leafHeader.word.garbageWords) : '',
    })
  }
  const fields = [field('size', sizeOf(inode)), field('blocks', inode.blocks), field('root', inode.root)]
  return section(`blocks of directory ${inode.number}`, fields, rows, damage)
}
