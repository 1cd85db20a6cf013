// SPDX-License-Identifier: GPL-2.0-only
/** Finds the folder of package.json, from the sources as from the built files. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

export function findPackageRoot(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (folder === dirname(folder)) throw new Error(`no package.json above ${from}`)
  }
}
