// SPDX-License-Identifier: GPL-2.0-only
/** Dumps a directory: its entries in the order of a listing, with what the listing goes by. */
import { firstTwinCookie } from '../../fs/directory-reader.js'
import type { Inode } from '../../fs/inode.js'
import { isDirectory } from '../../fs/mode.js'
import { nameText } from '../name-text.js'
import type { VolumeView } from '../volume-view.js'
import { directoryBlocks, leafEntries } from './directory-walk.js'
import { NotThereError } from './find-inode.js'
import { typeText } from './mode-text.js'
import { type DumpRow, type DumpSection, field, section } from './section.js'
import { hexWord } from './structure-fields.js'

/** @throws NotThereError where it is no directory */
export function dumpDirectory(view: VolumeView, inode: Inode): DumpSection {
  const title = `directory ${inode.number}`
  if (!isDirectory(inode.mode)) throw new NotThereError(`inode ${inode.number} is no directory`)
  const damage: string[] = []
  const rows: DumpRow[] = []
  for (const { block, isLeaf } of directoryBlocks(view, inode, damage)) {
    if (!isLeaf) continue
    for (const entry of leafEntries(view, block, damage)) {
      rows.push({
        inode: entry.inode,
        type: typeText(entry.type),
        hash: hexWord(entry.hash),
        twin: entry.twin,
        cookie: `0x${hexWord(entry.hash)}${hexWord(entry.twin + firstTwinCookie)}`,
        leaf: block,
        slot: entry.slot,
        name: nameText(entry.name),
      })
    }
  }
  const fields = [field('parent', inode.parent), field('entries', inode.entries), field('links', inode.links)]
  return section(title, fields, rows, damage)
}
