// SPDX-License-Identifier: GPL-2.0-only
/** Which mount options the channel fuse-native can have, and what they are called for libfuse. */
import { longestArgumentBytes } from '../fuse-native/server.js'
import { MountError, exitPermission } from './mount-error.js'
import { MS_NODIRATIME, MS_NOSYMFOLLOW, type MountOptions } from './mount-options.js'
import { ourSubtype } from './mount-table.js'

/** What was asked for on the command line besides the options. */
export interface FuseNativeWishes {
  readonly options: MountOptions
  readonly cpus: readonly number[]
  readonly workers: number
  readonly pollMicroseconds: number
  readonly enableUring: boolean
}

/** @throws MountError for what the channel cannot carry */
export function checkFuseNativeOptions(wishes: FuseNativeWishes): void {
  if (process.geteuid?.() !== 0)
    throw new MountError(
      'the channel fuse-native is for root only; other users mount by devfuse',
      exitPermission,
    )
  const refused = refusedOption(wishes)
  if (refused !== null) throw new MountError(`the channel fuse-native does not support ${refused}`)
}

/** @returns what it does not support, in words; null where it can have all that is asked for */
export function refusedOption(wishes: FuseNativeWishes): string | null {
  const { options, cpus, workers, pollMicroseconds, enableUring } = wishes
  const { flags } = options
  const refusals: readonly (readonly [isAsked: boolean, what: string])[] = [
    [options.allowOther, 'allow_other: it does not pass who calls, so all that is made would belong to root'],
    [options.given.includes('acl'), 'acl: ACLs are neither checked nor passed on'],
    [options.data !== 'inplace', `data=${options.data}`],
    [options.writebackCache, 'writeback_cache'],
    [options.strictAccessTimes, 'strictatime'],
    [(flags & MS_NODIRATIME) !== 0, 'nodiratime'],
    [(flags & MS_NOSYMFOLLOW) !== 0, 'nosymfollow'],
    [options.onErrors === 'remount-ro', 'errors=remount-ro'],
    [workers > 1, `workers=${workers}: all requests are served by one thread`],
    [cpus.length > 0, 'cpus'],
    [pollMicroseconds > 0, 'poll'],
    [enableUring, 'enable_uring'],
  ]
  return refusals.find(([isAsked]) => isAsked)?.[1] ?? null
}

/**
 * - `use_ino`: hard links of a file have one inode number.
 * - `direct_io` and `attr_timeout=0`: to libfuse, and so to the kernel, hard links are files of their own. What the
 *   kernel kept of one would not follow a change by the other.
 *
 * @returns the list of -o @throws MountError
 */
export function libfuseOptions(source: string, mountpoint: string, options: MountOptions): string {
  const list = [
    // A comma in the name would end the option.
    `fsname=${source.replace(/[\\,]/g, '\\$&')}`,
    `subtype=${ourSubtype}`,
    'default_permissions',
    'nonempty',
    'use_ino',
    'direct_io',
    'attr_timeout=0',
    'big_writes',
    'suid',
    'dev',
    ...options.names,
  ].join(',')
  for (const text of [mountpoint, list]) {
    if (Buffer.from(text).toString() !== text)
      throw new MountError(`${text}: the channel fuse-native takes only names in UTF-8`)
    if (Buffer.byteLength(text) > longestArgumentBytes)
      throw new MountError(`${text}: the name is too long for the channel fuse-native`)
  }
  return list
}
