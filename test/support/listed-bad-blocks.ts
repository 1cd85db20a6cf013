// SPDX-License-Identifier: GPL-2.0-only
/** Bad blocks of a loop device as /sys lists those of a pmem device: a list laid over the device's folder there. */
import { execFileSync } from 'node:child_process'
import { realpathSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { blockBytes } from '../../layout/geometry.js'
import type { BlockRun } from '../../src/pmem/bad-blocks.js'
import { type TearsDown, temporaryDirectory } from './temporary.js'
import { whenGone } from './when-gone.js'

const sectorsPerBlock = blockBytes / 512
/** The kernel gives no more of a list, as a file of /sys is one page. */
const mostLetters = 4095

/** Until the end of the test, or until what it resolves to is called. @param loop /dev/loopN */
export async function listBadBlocks(
  t: TearsDown,
  loop: string,
  ...runs: readonly BlockRun[]
): Promise<() => void> {
  const list = await temporaryDirectory(t)
  const lines = runs.map(({ first, count }) => `${first * sectorsPerBlock} ${count * sectorsPerBlock}\n`)
  writeFileSync(join(list, 'badblocks'), lines.join('').slice(0, mostLetters))
  const folder = realpathSync(join('/sys/block', basename(loop)))
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', `lowerdir=${list}:${folder}`, folder])
  const { dismiss } = whenGone('umount --lazy "$1"', folder)
  let isListed = true
  const end = (): void => {
    if (!isListed) return
    // Others may be looking at it just now.
    execFileSync('umount', ['--lazy', folder])
    dismiss()
    isListed = false
  }
  t.teardown(end)
  return end
}
