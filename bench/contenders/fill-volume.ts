// SPDX-License-Identifier: GPL-2.0-only
/**
 * A process that makes many empty files on a volume of ours that is not mounted: DEVICE FILES PER_DIRECTORY. The
 * engine is called as a mount would call it, without the kernel in between, which is several times quicker.
 */
import { rootInode } from '../../layout/inode.js'
import { openVolume } from '../../src/api/opened-volume.js'
import type { Engine } from '../../src/fs/engine.js'
import { S_IFDIR, S_IFREG } from '../../src/fs/mode.js'
import { Name } from '../../src/fs/name.js'
import { NewInode } from '../../src/fs/new-inode.js'

function maker(engine: Engine): (parent: number, text: string, mode: number) => number {
  const bytes = new Uint8Array(64)
  const name = new Name()
  const made = new NewInode()
  const encoder = new TextEncoder()
  return (parent, text, mode) => {
    made.mode = mode
    const { written } = encoder.encodeInto(text, bytes)
    const inode = engine.create(parent, name.set(bytes, 0, written), made)
    if (inode < 0) throw new Error(`create ${text}: error ${inode}`)
    return inode
  }
}

function fill(engine: Engine, files: number, perDirectory: number): void {
  const make = maker(engine)
  engine.clock.setMilliseconds(Date.now())
  let directory = 0
  for (let file = 0; file < files; file++) {
    if (file % perDirectory === 0) {
      if (directory > 0) engine.forget(directory, 1)
      directory = make(rootInode, `d${file / perDirectory}`, S_IFDIR | 0o755)
    }
    engine.forget(make(directory, `f${file}`, S_IFREG | 0o644), 1)
  }
  engine.forget(directory, 1)
}

const [device = '', files = '', perDirectory = ''] = process.argv.slice(2)
const opened = openVolume(device, false)
fill(opened.volume.engine(0), Number(files), Number(perDirectory))
opened.close()
