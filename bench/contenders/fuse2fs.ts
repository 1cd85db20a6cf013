// SPDX-License-Identifier: GPL-2.0-only
/** fuse2fs: ext4 in user space, on an image in /dev/shm. */
import type { Contender, Filling } from './contender.js'
import { Ext4Image } from './image.js'
import { makeImagePeer } from './peer.js'

class Fuse2fsInstance extends Ext4Image {
  override async mount(): Promise<void> {
    await this.mountBy('fuse2fs')
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
  return makeImagePeer(
    { name: 'fuse2fs', mkfs: 'mkfs.ext4', fillsQuickly: true },
    (demand) => new Fuse2fsInstance(demand),
  )
}
