// SPDX-License-Identifier: GPL-2.0-only
/** ext4 in the kernel, on a loop device over a file in /dev/shm. */
import { release } from 'node:os'
import type { Contender } from './contender.js'
import { Ext4Image } from './image.js'
import { missingPrograms } from './packages.js'

class Ext4Instance extends Ext4Image {
  override async mount(): Promise<void> {
    await this.mountByKernel()
  }
}

export function makeExt4(): Contender {
  return {
    name: 'ext4',
    title: 'ext4 on a loop device',
    kind: 'kernel',
    how: 'mount -t ext4 -o loop IMAGE MOUNTPOINT',
    holdsFiles: true,
    fillsQuickly: true,
    pins: false,
    needsRing: false,
    obstacle: () => missingPrograms(['mkfs.ext4', 'losetup'], 'e2fsprogs mount'),
    version: () => Promise.resolve(`Linux ${release()}`),
    make: (demand) => new Ext4Instance(demand),
  }
}
