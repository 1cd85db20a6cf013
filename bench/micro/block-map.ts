// SPDX-License-Identifier: GPL-2.0-only
/** From a file's block to the medium's, by maps of each height, and runs of neighbours. */
import { BlockMap } from '../../src/fs/block-map.js'
import { InodeTable } from '../../src/fs/inode-table.js'
import { Inode } from '../../src/fs/inode.js'
import { createTransferBuffer, releaseTransferBuffer } from '../../src/pmem/transfer-buffer.js'
import { nameOf, newInode } from '../../test/support/engine-caller.js'
import { writerOf } from '../../test/support/engine-requests.js'
import type { MemoryVolume } from '../../test/support/memory-volume.js'
import { root } from '../../test/support/test-volume.js'
import { type Subject, keep } from './subject.js'

const blocks = 256
const blockBytes = 4096
/** First block of a file that takes a map of each height. */
const firstBlocks = [
  [1, 0],
  [2, 2 ** 9],
  [3, 2 ** 18],
  [4, 2 ** 27],
] as const

/** A file with `blocks` blocks from `first` on, each a neighbour of the one before, or none. */
function makeFile(
  { area, engine, medium, volume }: MemoryVolume,
  name: string,
  first: number,
  neighbours: boolean,
): Inode {
  const data = createTransferBuffer('bench data', blocks * blockBytes)
  const write = writerOf(engine, data)
  const number = engine.create(root, nameOf(name), newInode(0o100644, 0))
  if (neighbours) write(number, first, 0, blocks * blockBytes)
  else for (let n = 0; n < blocks; n++) write(number, first + (n ^ 1), 0, blockBytes)
  releaseTransferBuffer(data)
  const inode = new Inode(medium)
  if (new InodeTable(medium, new BlockMap(medium, area), volume.state).open(number, inode) !== 0)
    throw new Error('no such file')
  return inode
}

export const blockMap: Subject = {
  title: 'block map',
  prepare(volume) {
    const map = new BlockMap(volume.medium, volume.area)
    const inRun = makeFile(volume, 'run', 0, true)
    const scattered = makeFile(volume, 'scattered', 0, false)
    let n = 0
    const next = () => (n = (n + 1) & (blocks - 1))
    const lookups = firstBlocks.map(([height, first]) => {
      const inode = makeFile(volume, `height ${height}`, first, true)
      if (inode.height !== height) throw new Error(`the map has height ${inode.height}, not ${height}`)
      return {
        name: `lookup, height ${height}`,
        call: () => keep(map.lookup(inode.root, inode.height, first + next())),
      }
    })
    return [
      ...lookups,
      {
        name: `run, ${blocks} neighbours`,
        call: () => keep(map.run(inRun.root, inRun.height, 0, blocks) + map.runStart),
      },
      {
        name: `run, no neighbours`,
        call: () => keep(map.run(scattered.root, scattered.height, next(), 1) + map.runStart),
      },
      {
        name: `run, a hole`,
        call: () => keep(map.run(inRun.root, inRun.height, blocks, blocks)),
      },
    ]
  },
}
