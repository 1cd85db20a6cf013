// SPDX-License-Identifier: GPL-2.0-only
/** Writes over a file's blocks with copy-on-write: the figures of the engine (engine.ts) are of writes in place. */
import { createTransferBuffer } from '../../src/pmem/transfer-buffer.js'
import { nameOf, newInode } from '../../test/support/engine-caller.js'
import { root } from '../../test/support/test-volume.js'
import { type Subject, keep } from './subject.js'

const blocks = 4096
const blockBytes = 4096
const mebibyte = 2 ** 20

export const copyOnWrite: Subject = {
  title: 'copy-on-write',
  data: 'cow',
  prepare({ engine }) {
    const data = createTransferBuffer('bench data', mebibyte)
    const file = engine.create(root, nameOf('file'), newInode(0o100644, 0))
    for (let n = 0; n < blocks; n += 256) engine.write(file, n, 0, mebibyte, data, 0, false)
    let n = 0
    const next = (): number => (n = (n + 389) & (blocks - 1))
    const overwrite = (within: number, length: number) => () =>
      keep(engine.write(file, next(), within, length, data, 0, false))
    return [
      {
        name: 'overwrite 1 MiB',
        call: () => keep(engine.write(file, next() & ~255, 0, mebibyte, data, 0, false)),
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
