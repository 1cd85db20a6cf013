// SPDX-License-Identifier: GPL-2.0-only
/** ntfs-3g: NTFS in user space, on an image in /dev/shm. */
import type { Contender } from './contender.js'
import { ImageInstance } from './image.js'
import { makeImagePeer } from './peer.js'

class Ntfs3gInstance extends ImageInstance {
  protected override mkfs(): readonly string[] {
    return ['mkfs.ntfs', '--quiet', '--force', '--quick', this.image]
  }

  override async mount(): Promise<void> {
    await this.mountBy('ntfs-3g')
  }
}

export function makeNtfs3g(): Contender {
  return makeImagePeer(
    // It makes some thousand files per second, and there is no quicker way to its volumes.
    { name: 'ntfs-3g', mkfs: 'mkfs.ntfs', fillsQuickly: false },
    (demand) => new Ntfs3gInstance(demand),
  )
}
