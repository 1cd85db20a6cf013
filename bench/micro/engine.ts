// SPDX-License-Identifier: GPL-2.0-only
/** Whole calls of the engine, and the same as requests that a server handles; without a kernel and its channel. */
import { attributeWords } from '../../src/fs/attributes.js'
import { VolumeUsage } from '../../src/fs/volume-usage.js'
import { createTransferBuffer } from '../../src/pmem/transfer-buffer.js'
import { nameOf, newInode } from '../../test/support/engine-caller.js'
import { writerOf } from '../../test/support/engine-requests.js'
import { RequestDriver } from '../../test/support/request-driver.js'
import { root } from '../../test/support/test-volume.js'
import { type Subject, keep } from './subject.js'

const blocks = 1024
const blockBytes = 4096

export const engine: Subject = {
  title: 'engine, and the server on top of it',
  prepare(volume) {
    const { engine } = volume
    const data = createTransferBuffer('bench data', blockBytes)
    const write = writerOf(engine, data)
    const words = new Uint32Array(attributeWords)
    const usage = new VolumeUsage()
    const known = nameOf('known')
    const missing = nameOf('missing')
    const made = newInode(0o100644, 0)
    const file = engine.create(root, known, made)
    for (let n = 0; n < blocks; n++) write(file, n, 0, blockBytes)
    const sink = {
      data: (block: number, offset: number, length: number) => keep(block ^ offset ^ length),
      hole: (length: number) => keep(length),
    }
    let n = 0
    const next = () => (n = (n + 389) & (blocks - 1))
    const driver = new RequestDriver(volume, 'uring')
    const knownBytes = Buffer.from('known')
    return [
      {
        name: 'lookup, there (and forget)',
        call: () => engine.forget(engine.lookup(root, known), 1),
      },
      { name: 'lookup, not there', call: () => keep(engine.lookup(root, missing)) },
      { name: 'getattr', call: () => keep(engine.getattr(file, words)) },
      {
        name: 'statfs',
        call: () => {
          engine.usage(usage)
          keep(usage.freeBlocks)
        },
      },
      {
        name: 'read 4 KiB (where it lies)',
        call: () => {
          engine.beginRead(file, next(), 0, blockBytes, sink, true)
          engine.endRead(file)
        },
      },
      {
        name: 'overwrite 4 KiB',
        call: () => keep(write(file, next(), 0, blockBytes)),
      },
      {
        name: 'create and unlink',
        call: () => {
          const inode = engine.create(root, missing, made)
          engine.unlink(root, missing)
          engine.forget(inode, 1)
        },
      },
      {
        name: 'LOOKUP, there (and FORGET)',
        call: () => driver.forget(driver.lookup(root, knownBytes)),
      },
      { name: 'GETATTR', call: () => keep(driver.getattr(file)) },
      { name: 'STATFS', call: () => keep(driver.statfs()) },
      { name: 'READ 4 KiB', call: () => keep(driver.read(file, next() * blockBytes, blockBytes)) },
      { name: 'WRITE 4 KiB', call: () => keep(driver.write(file, next() * blockBytes, blockBytes)) },
    ]
  },
}
