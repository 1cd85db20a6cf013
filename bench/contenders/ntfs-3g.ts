// SPDX-License-Identifier: GPL-2.0-only
/** ntfs-3g: NTFS in user space, on an image in /dev/shm. */
import { type Contender, command } from './contender.js'
import { ImageInstance } from './image.js'
import { makePeer } from './peer.js'

class Ntfs3gInstance extends ImageInstance {
  protected override mkfs(): readonly string[] {
    return ['mkfs.ntfs', '--quiet', '--force', '--quick', this.image]
  }

  override async mount(): Promise<void> {
    await command(['ntfs-3g', this.image, this.directory], this.demand.cpu)
  }
}

export function makeNtfs3g(): Contender {
  return makePeer(
    {
      name: 'ntfs-3g',
      title: 'ntfs-3g',
      how: 'ntfs-3g IMAGE MOUNTPOINT',
      packageName: 'ntfs-3g',
      programs: ['ntfs-3g', 'mkfs.ntfs'],
      // It makes some thousand files per second, and there is no quicker way to its volumes.
      fillsQuickly: false,
    },
    (demand) => new Ntfs3gInstance(demand),
  )
}
