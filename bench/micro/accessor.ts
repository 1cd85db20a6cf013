// SPDX-License-Identifier: GPL-2.0-only
/** Reading a field of an inode: a plain load from a typed array, and the same as the engine says it. */
import { rootsBlock } from '../../layout/geometry.js'
import { inode as layout, rootInode } from '../../layout/inode.js'
import { Inode, inodeField } from '../../src/fs/inode.js'
import { BlockMap } from '../../src/fs/block-map.js'
import { InodeTable } from '../../src/fs/inode-table.js'
import { type Subject, keep } from './subject.js'

/** Loads per call, so that they are timed and not the call. */
const operations = 1024
const scratch = new Uint32Array(1024)
/** Where `links` lies in an inode, as a person would write it down. */
const linksWord = 3

export const accessor: Subject = {
  title: 'accessor: one word of an inode',
  prepare({ medium, area, volume }) {
    const inode = new Inode(medium)
    new InodeTable(medium, new BlockMap(medium, area), volume.state).open(rootInode, inode)
    const { block, word } = inode
    if (layout.word.links !== linksWord) throw new Error('the inode has changed its layout')
    const words = medium.wordsOf(block)
    const start = medium.wordOf(block) + word
    /** A few inodes in turn: a load that is the same every time is made once, by the compiler. */
    const turn = (n: number) => (n & 7) * layout.lengthWords
    return [
      {
        name: 'load, plain: words[start + 3]',
        operations,
        call: () => {
          let sum = 0
          for (let n = 0; n < operations; n++) sum ^= words[start + turn(n) + linksWord]!
          keep(sum)
        },
      },
      {
        name: 'load, by the layout: words[start + at.links]',
        operations,
        call: () => {
          let sum = 0
          for (let n = 0; n < operations; n++) sum ^= words[start + turn(n) + layout.word.links]!
          keep(sum)
        },
      },
      {
        name: 'load, through the medium: load32(block, word)',
        operations,
        call: () => {
          let sum = 0
          for (let n = 0; n < operations; n++) sum ^= medium.load32(block, word + turn(n) + inodeField.links)
          keep(sum)
        },
      },
      {
        name: 'load, of an inode pointed at: inode.links',
        operations,
        call: () => {
          let sum = 0
          for (let n = 0; n < operations; n++) {
            inode.point(1, block, word + turn(n))
            sum ^= inode.links
          }
          keep(sum)
        },
      },
      {
        name: 'store, plain: words[start + n] = n',
        operations,
        call: () => {
          for (let n = 0; n < operations; n++) scratch[turn(n) + linksWord] = n
        },
      },
      {
        name: 'store, through the medium: store32(block, word, n)',
        operations,
        call: () => {
          // Beyond what the roots use of their block.
          for (let n = 0; n < operations; n++) medium.store32(rootsBlock, 512 + turn(n) + inodeField.links, n)
        },
      },
    ]
  },
}
