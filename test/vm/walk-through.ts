// SPDX-License-Identifier: GPL-2.0-only
/** The commands that README.md shows for persistent memory. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../support/program.js'

const block = /<!-- needs \/dev\/pmem0 -->\n+```sh\n([\s\S]*?)```/

/** @param isShort whether fio runs for two seconds only, on a small file, and the volume stays mounted */
export function walkThrough(isShort: boolean): string[] {
  const shown = block.exec(readFileSync(join(packageRoot, 'README.md'), 'utf8'))?.[1]
  if (shown === undefined) throw new Error('README.md has no commands for /dev/pmem0')
  const lines = shown.split('\n').filter((line) => line.trim() !== '')
  if (!lines.some((line) => line.startsWith('fio '))) throw new Error('README.md has no line of fio')
  if (!isShort) return lines
  return lines
    .filter((line) => !line.includes('pmfs2-fuse umount'))
    .map((line) => line.replace(/--runtime=\d+/, '--runtime=2').replace(/--size=\d+M/, '--size=2M'))
}
