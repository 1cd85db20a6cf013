// SPDX-License-Identifier: GPL-2.0-only
/** Writes over a file's blocks with copy-on-write: the figures of the engine (engine.ts) are of writes in place. */
import { createTransferBuffer } from '../../src/pmem/transfer-buffer.js'
import { nameOf, newInode } from '../../test/support/engine-caller.js'
import { writerOf } from '../../test/support/engine-requests.js'
import { root } from '../../test/support/test-volume.js'
import { type Subject, keep } from './subject.js'

const blocks = 4096
const blockBytes = 4096
const mebibyte = 2 ** 20

export const copyOnWrite: Subject = {
  title: 'copy-on-write',
  data: 'cow',
  prepare({ engine }) {
    const write = writerOf(engine, createTransferBuffer('bench data', mebibyte))
    const file = engine.create(root, nameOf('file'), newInode(0o100644, 0))
    for (let n = 0; n < blocks; n += 256) write(file, n, 0, mebibyte)
    let n = 0
    const next = (): number => (n = (n + 389) & (blocks - 1))
    const overwrite = (within: number, length: number) => () => keep(write(file, next(), within, length))
    return [
      {
        name: 'overwrite 1 MiB',
        call: () => keep(write(file, next() & ~255, 0, mebibyte)),
        callsPerSample: 64,
      },
      { name: 'overwrite 4 KiB', call: overwrite(0, blockBytes) },
      { name: 'overwrite 8 KiB, unaligned', call: overwrite(100, 2 * blockBytes) },
      ...[64, 256, 512, 1024].map((length) => ({
        name: `overwrite ${length} bytes`,
        call: overwrite(100, length),
      })),
    ]
  },
}
