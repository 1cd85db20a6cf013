// SPDX-License-Identifier: GPL-2.0-only
/** What has a file system image in /dev/shm below it, made by a mkfs. */
import { open } from 'node:fs/promises'
import { Instance, command } from './contender.js'
import { hasManyFiles, mediumBytes } from './medium-size.js'

export abstract class ImageInstance extends Instance {
  protected get image(): string {
    return this.path('image')
  }

  /** The command that makes the file system. */
  protected abstract mkfs(): readonly string[]

  override async format(): Promise<void> {
    await super.format()
    const file = await open(this.image, 'wx')
    await file.truncate(mediumBytes(this.demand))
    await file.close()
    await command(this.mkfs())
  }

  /** Has a program of user space serve the image. */
  protected async mountBy(program: string): Promise<void> {
    await command([program, this.image, this.directory], this.demand.cpu)
  }
}

export abstract class Ext4Image extends ImageInstance {
  protected override mkfs(): readonly string[] {
    // By default an image of this size has fewer inodes than the largest workload has files.
    const inodes = hasManyFiles(this.demand) ? ['-N', String(Math.ceil(this.demand.files * 1.1))] : []
    return ['mkfs.ext4', '-q', '-F', ...inodes, this.image]
  }

  protected async mountByKernel(): Promise<void> {
    await command(['mount', '-t', 'ext4', '-o', 'loop', this.image, this.directory])
  }
}
