// SPDX-License-Identifier: GPL-2.0-only
/** Folders laid out as Linux lays out /sys and /proc, for hardware that a test machine lacks. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TearsDown, temporaryDirectory } from './temporary.js'

/** A device number as stat(2) gives it: the minor's upper bits lie above the major. */
export function deviceNumberOf(major: number, minor: number): bigint {
  return BigInt(((minor & ~0xff) << 12) | (major << 8) | (minor & 0xff))
}

export class FakeSys {
  readonly root: string

  private constructor(root: string) {
    this.root = root
  }

  static async make(t: TearsDown): Promise<FakeSys> {
    return new FakeSys(await temporaryDirectory(t))
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true })
    writeFileSync(join(this.root, path), `${text}\n`)
  }

  link(path: string, to: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true })
    mkdirSync(join(this.root, to), { recursive: true })
    symlinkSync(join(this.root, to), join(this.root, path))
  }
}
