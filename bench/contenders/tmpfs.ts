// SPDX-License-Identifier: GPL-2.0-only
/** The ceiling: a tmpfs of its own, reached by system call, with no server in between and nothing to pin. */
import { run } from '../command.js'
import type { Contender } from './contender.js'
import { makeMountpoint, removeMountpoint } from './mountpoint.js'

export function makeTmpfs(): Contender {
  let mountpoint: string | undefined
  return {
    name: 'tmpfs',
    async start() {
      mountpoint = await makeMountpoint('tmpfs')
      await run('mount', ['-t', 'tmpfs', '-o', 'size=512M', 'tmpfs', mountpoint], { timeoutMs: 10_000 })
      return mountpoint
    },
    async stop() {
      if (mountpoint === undefined) return
      await removeMountpoint(mountpoint)
      mountpoint = undefined
    },
  }
}
