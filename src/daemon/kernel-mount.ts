// SPDX-License-Identifier: GPL-2.0-only
/** Attaching to the kernel: mount(2) as root, fusermount3 for everybody else. Neither waits for the server. */
import { closeSync, openSync, statSync } from 'node:fs'
import { getSystemErrorName } from 'node:util'
import { ENOENT } from '../fs/errno.js'
import { kernelName, nameBytes } from '../native/file-name.js'
import { native } from '../native/index.js'
import { shellWord } from '../native/shell-word.js'
import { adviceOn, codeOf } from '../pmem/device-error.js'
import { MountError, exitPermission, exitSystem } from './mount-error.js'
import type { MountOptions } from './mount-options.js'
import { type MountEntry, findMount, mountType, ourSubtype } from './mount-table.js'
import { complaintOf, reach, serverState } from './server-state.js'

const EPERM = 1

/**
 * Looks at the mount point itself last: where something of ours is mounted there, its server may hang.
 * @returns the mount point's real path @throws MountError where nothing can be mounted there
 */
export async function checkMountpoint(path: string): Promise<string> {
  const mountpoint = await reach(path)
  const there = findMount(mountpoint)
  if (there?.type === mountType) {
    const server = await serverState(there)
    const complaint =
      server.state === 'dead'
        ? `the server of the file system there has died; umount ${shellWord(path)} first`
        : complaintOf(server)
    if (complaint !== null) throw new MountError(`${path}: ${complaint}`)
  }
  refuseMounted(path, there)
  try {
    if (statSync(kernelName(mountpoint)).isDirectory()) return mountpoint
  } catch (error) {
    throw new MountError(`${path}: ${mountpointProblem(codeOf(error))}`)
  }
  throw new MountError(`${path}: the mount point is not a directory`)
}

function refuseMounted(path: string, there: MountEntry | null): void {
  if (there !== null)
    throw new MountError(`${path}: ${there.source} is mounted there already (${there.type})`)
}

function mountpointProblem(code: string): string {
  if (code === 'ENOENT') return 'the mount point does not exist'
  return `the mount point cannot be used: ${adviceOn(code)}`
}

/**
 * Mounts.
 * @param subtype what follows `fuse.` in the mount table
 * @returns the descriptor of /dev/fuse through which the kernel will ask @throws MountError
 */
export function attach(
  source: string,
  mountpoint: string,
  options: MountOptions,
  subtype = ourSubtype,
): number {
  // Opening the volume took its time.
  refuseMounted(mountpoint, findMount(mountpoint))
  return process.geteuid?.() === 0
    ? attachAsRoot(source, mountpoint, options, subtype)
    : attachAsUser(source, mountpoint, options, subtype)
}

function attachAsRoot(source: string, mountpoint: string, options: MountOptions, subtype: string): number {
  const fd = openFuse()
  const data = `fd=${fd},rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other`
  const error = native.mount(
    kernelName(source),
    kernelName(mountpoint),
    `fuse.${subtype}`,
    options.flags,
    data,
  )
  if (error === 0) return fd
  closeSync(fd)
  throw new MountError(`${mountpoint}: mount(2) failed: ${getSystemErrorName(error)}`, exitSystem)
}

function openFuse(): number {
  try {
    return openSync('/dev/fuse', 'r+')
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EACCES' || code === 'EPERM')
      throw new MountError('/dev/fuse may not be opened: permission denied', exitPermission)
    const isMissing = ['ENOENT', 'ENODEV', 'ENXIO'].includes(code)
    const advice = isMissing ? "load the kernel's module with modprobe fuse" : adviceOn(code)
    throw new MountError(`/dev/fuse cannot be opened: ${advice}`, exitSystem)
  }
}

function attachAsUser(source: string, mountpoint: string, options: MountOptions, subtype: string): number {
  const list = [
    // A comma in the name would end the option.
    `fsname=${source.replace(/[\\,]/g, '\\$&')}`,
    `subtype=${subtype}`,
    'default_permissions',
    ...options.names,
    ...(options.allowOther ? ['allow_other'] : []),
  ]
  const fd = native.fusermount(nameBytes(list.join(',')), kernelName(mountpoint))
  if (fd >= 0) return fd
  if (fd === -ENOENT) {
    throw new MountError(
      'you are not root, and fusermount3 is not installed (Debian package fuse3)',
      exitPermission,
    )
  }
  if (fd === -EPERM) {
    throw new MountError(
      `${mountpoint}: fusermount3 refused to mount (its reason stands above)`,
      exitPermission,
    )
  }
  throw new MountError(`fusermount3 cannot be run: ${getSystemErrorName(fd)}`, exitSystem)
}
