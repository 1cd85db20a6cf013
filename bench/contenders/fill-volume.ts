// SPDX-License-Identifier: GPL-2.0-only
/**
 * A process that makes many empty files on a volume of ours that is not mounted: DEVICE FILES PER_DIRECTORY. The
 * engine is called as a mount would call it, without the kernel in between, which is several times quicker.
 */
import { rootInode } from '../../layout/inode.js'
import { openVolume } from '../../src/api/opened-volume.js'
import type { Engine } from '../../src/fs/engine.js'
import { S_IFDIR, S_IFREG } from '../../src/fs/mode.js'
import { FileMaker } from './file-maker.js'

function fill(engine: Engine, files: number, perDirectory: number): void {
  const maker = new FileMaker(engine)
  engine.clock.setMilliseconds(Date.now())
  let directory = 0
  for (let file = 0; file < files; file++) {
    if (file % perDirectory === 0) {
      if (directory > 0) engine.forget(directory, 1)
      directory = maker.make(rootInode, `d${file / perDirectory}`, S_IFDIR | 0o755)
    }
    engine.forget(maker.make(directory, `f${file}`, S_IFREG | 0o644), 1)
  }
  engine.forget(directory, 1)
}

const [device = '', files = '', perDirectory = ''] = process.argv.slice(2)
const opened = openVolume(device, false)
fill(opened.volume.engine(0), Number(files), Number(perDirectory))
opened.close()
