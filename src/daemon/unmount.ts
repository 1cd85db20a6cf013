// SPDX-License-Identifier: GPL-2.0-only
/** Unmounting at one place: umount2(2) as root, fusermount3 for everybody else. */
import { spawnSync } from 'node:child_process'
import { getSystemErrorName } from 'node:util'
import { kernelName } from '../native/file-name.js'
import { native } from '../native/index.js'
import { rawCommand } from '../native/raw-command.js'
import { shellWord } from '../native/shell-word.js'
import { adviceOn } from '../pmem/device-error.js'
import { MountError, exitPermission, exitSystem } from './mount-error.js'
import { findMount, reservedText } from './mount-table.js'

/** linux/fs.h, for umount2(2) */
const MNT_DETACH = 2
const UMOUNT_NOFOLLOW = 8

/**
 * @param lazily take it out of sight now, even if it is in use
 * @returns why it is still there, in words that follow its name; null where it is gone
 */
export function unmount(place: string, lazily: boolean): MountError | null {
  return process.geteuid?.() === 0 ? unmountAsRoot(place, lazily) : unmountAsUser(place, lazily)
}

function unmountAsRoot(place: string, lazily: boolean): MountError | null {
  const result = native.umount(kernelName(place), UMOUNT_NOFOLLOW | (lazily ? MNT_DETACH : 0))
  if (result === 0) return null
  const code = getSystemErrorName(result)
  if (code === 'EBUSY') return new MountError(busyText(place))
  if (code === 'EINVAL') return new MountError('not mounted')
  if (code === 'EPERM') return new MountError('no permission to unmount it', exitPermission)
  return new MountError(`it cannot be unmounted: ${adviceOn(code)}`, exitSystem)
}

/** @param place where it is mounted, which need not be what the user has named */
function busyText(place: string): string {
  return `target is busy: fuser -vm ${shellWord(place)} shows who uses it; umount --lazy takes it out of sight now`
}

function unmountAsUser(place: string, lazily: boolean): MountError | null {
  // fusermount3 would say that it does not find the mount.
  const mount = findMount(place)
  const reserved = mount === null ? null : reservedText(mount, 'unmount it')
  if (reserved !== null) return new MountError(reserved)
  const program = 'fusermount3'
  const { status, error, stderr } = spawnSync(
    ...rawCommand(program, ['-u', ...(lazily ? ['-z'] : []), '--', place]),
    {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
    },
  )
  if (error !== undefined) {
    return new MountError(`${program}, which unmounts for those who are not root, does not run`, exitSystem)
  }
  if (status === 0) return null
  if (/busy/i.test(stderr)) return new MountError(busyText(place))
  return new MountError(stderr.trim().replaceAll('\n', ' ') || `${program} failed`, exitPermission)
}
