// SPDX-License-Identifier: GPL-2.0-only
/** The commands that README.md shows for a device, run on a volume of a test with further options of the mount. */
import type { Test } from 'tap'
import { walkThrough } from '../vm/walk-through.js'
import { finish, withoutRunner } from './run-command.js'
import { type TestMount, program } from './test-mount.js'

const mountCommand = '/dev/pmem0 /mnt/pmfs2'

/**
 * Runs each command by a shell, and stays mounted.
 * @param mounted called once the mount is there, with what its command has said
 */
export async function walkThroughReadme(
  t: Test,
  mount: TestMount,
  options: readonly string[],
  mounted: (said: string) => Promise<void>,
  limitMs = 120_000,
): Promise<void> {
  const shown = walkThrough(true)
  t.equal(shown.filter((line) => line.endsWith(mountCommand)).length, 1, 'README.md has one mount')
  for (const shownLine of shown) {
    const line = shownLine
      .replaceAll(mountCommand, [mountCommand, ...options].join(' '))
      .replaceAll('mkfs /dev/pmem0', 'mkfs /dev/pmem0 --force')
      .replaceAll('npx pmfs2-fuse', `${process.execPath} ${program}`)
      .replaceAll('/dev/pmem0', mount.device)
      .replaceAll('/mnt/pmfs2', mount.mountpoint)
    const { end, output } = await finish('env', [...withoutRunner, 'sh', '-c', line], limitMs)
    t.equal(end, 0, `${line}: ${output}`)
    if (line.startsWith('cat ')) t.equal(output, 'hello, world', 'the file has what was written')
    if (shownLine.endsWith(mountCommand)) await mounted(output)
  }
}
