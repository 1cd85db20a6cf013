// SPDX-License-Identifier: GPL-2.0-only
/** fuse2fs: ext4 in user space, on an image in /dev/shm. */
import { type Contender, type Filling, command } from './contender.js'
import { Ext4Image } from './image.js'
import { makePeer } from './peer.js'

class Fuse2fsInstance extends Ext4Image {
  override async mount(): Promise<void> {
    await command(['fuse2fs', this.image, this.directory], this.demand.cpu)
  }

  override async fill(filling: Filling): Promise<void> {
    await this.mountByKernel()
    try {
      await filling.make(this.directory)
    } finally {
      await this.unmount()
    }
  }
}

export function makeFuse2fs(): Contender {
  return makePeer(
    {
      name: 'fuse2fs',
      title: 'fuse2fs',
      how: 'fuse2fs IMAGE MOUNTPOINT',
      packageName: 'fuse2fs',
      programs: ['fuse2fs', 'mkfs.ext4'],
      fillsQuickly: true,
    },
    (demand) => new Fuse2fsInstance(demand),
  )
}
