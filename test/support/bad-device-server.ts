// SPDX-License-Identifier: GPL-2.0-only
/**
 * The server of a bad device: the file system in memory of the examples, of whose files the blocks that a control file
 * names cannot be read. That has a byte per block: how many reads of it are still to fail, 255 for all.
 */
import { openSync, readSync, writeSync } from 'node:fs'
import { argv, env } from 'node:process'
import { isMainThread } from 'node:worker_threads'
import { blockBytes } from '../../layout/geometry.js'
import { MemoryFileSystem } from '../../examples/memory-file-system.js'
import { serve } from '../../src/daemon/serve.js'
import type { FileSystem } from '../../src/fuse/file-system.js'
import { EIO } from '../../src/fs/errno.js'
import type * as fs from '../../src/fuse/vocabulary.js'

const forEver = 255

class BadFiles extends MemoryFileSystem {
  readonly #control = openSync(env['PMFS2_BAD_BLOCKS']!, 'r+')

  override beginRead(...call: fs.ReadCall): number {
    const [, index, within, length] = call
    const marks = Buffer.alloc(Math.ceil((within + length) / blockBytes))
    readSync(this.#control, marks, 0, marks.length, index)
    const isBad = marks.some((mark) => mark !== 0)
    const left = marks.map((mark) => (mark === 0 || mark === forEver ? mark : mark - 1))
    if (left.some((mark, n) => mark !== marks[n])) writeSync(this.#control, left, 0, left.length, index)
    return isBad ? -EIO : super.beginRead(...call)
  }
}

/** Called by the thread that serves. */
export function openFileSystem(): FileSystem {
  return new BadFiles()
}

if (isMainThread)
  await serve(new URL(import.meta.url), argv[2]!, {
    name: 'pmfs2-bad-device',
    channel: 'devfuse',
    live: () => writeSync(1, 'live\n'),
  })
