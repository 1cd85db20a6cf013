// SPDX-License-Identifier: GPL-2.0-only
/**
 * A process that ages a volume that is not mounted: DEVICE FILES. It makes about twice as many files, every fiftieth of
 * 4 MiB and the others empty, and removes every second one at random. Blocks are allocated and not written, so that a
 * sparse device stays small. What is left is a bitmap full of gaps. To see how long mounting takes afterwards, on 1 TiB
 * (of which the files take three quarters, and the device some 5 GiB of memory):
 *
 *     pmfs2-fuse mkfs aged.img --size 1T --sparse
 *     node dist/bench/aged-volume.js aged.img 10000000
 *     time pmfs2-fuse aged.img MOUNTPOINT
 */
import { rootInode } from '../layout/inode.js'
import { openVolume } from '../src/api/opened-volume.js'
import { AllocationRequest } from '../src/fs/allocation-request.js'
import type { Engine } from '../src/fs/engine.js'
import { S_IFDIR, S_IFREG } from '../src/fs/mode.js'
import { FileMaker, must } from './contenders/file-maker.js'

const filesPerDirectory = 10_000
const largeBytes = 4 * 2 ** 20
const filesPerLarge = 50

class Ager {
  readonly #engine: Engine
  readonly #maker: FileMaker
  readonly #allocation = new AllocationRequest()

  constructor(engine: Engine) {
    this.#engine = engine
    this.#maker = new FileMaker(engine)
  }

  /** Makes a directory of so many files, and removes about half of them again. @returns how many are left */
  fillDirectory(name: string, count: number): number {
    const directory = this.#maker.make(rootInode, name, S_IFDIR | 0o755)
    for (let file = 0; file < count; file++) {
      const inode = this.#maker.make(directory, `f${file}`, S_IFREG | 0o644)
      if (file % filesPerLarge === 0) this.#allocate(inode, largeBytes)
      this.#engine.forget(inode, 1)
    }
    let left = count
    for (let file = 0; file < count; file++) {
      if (Math.random() < 0.5) continue
      this.#maker.remove(directory, `f${file}`)
      left--
    }
    this.#engine.forget(directory, 1)
    return left
  }

  #allocate(inode: number, bytes: number): void {
    this.#allocation.number = inode
    this.#allocation.setRange(0, bytes)
    must('fallocate', this.#engine.allocation.fallocate(this.#allocation))
  }
}

const [device = '', files = ''] = process.argv.slice(2)
const opened = openVolume(device, false)
const engine = opened.volume.engine(0)
engine.clock.setMilliseconds(Date.now())
const ager = new Ager(engine)
for (let made = 0, directory = 0; made < Number(files); directory++) {
  const count = Math.min(filesPerDirectory, 2 * (Number(files) - made))
  made += ager.fillDirectory(`d${directory}`, count)
  if (directory % 100 === 0) process.stderr.write(`\r${made} of ${files} files`)
}
process.stderr.write('\n')
opened.close()
