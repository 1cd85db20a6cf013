// SPDX-License-Identifier: GPL-2.0-only
/**
 * The process that makes a call on a mount for its server ({@link MountCalls}): `mount-call.js CALL MOUNT SERVER`, with
 * the {@link MountIdentity} as JSON and the process number of the server. Once that has ended the mount may be gone,
 * and another one be taken for it: the call goes no further then.
 */
import { detach, detachLazily } from './detach.js'
import { remountReadOnly } from './kernel-remount.js'
import type { MountIdentity } from './mount-table.js'

const [call, mount, server] = process.argv.slice(2)
const isOver = (): boolean => process.ppid !== Number(server)

const calls: Readonly<Record<string, (mount: MountIdentity) => unknown>> = {
  unmount: (mount) => detach(mount, isOver),
  'unmount-lazily': (mount) => detachLazily(mount, isOver),
  'remount-read-only': (mount) => {
    process.exitCode = -remountReadOnly(mount)
  },
}

if (isOver()) process.exitCode = 1
else calls[call!]!(JSON.parse(mount!) as MountIdentity)
