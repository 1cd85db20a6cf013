// SPDX-License-Identifier: GPL-2.0-only
/** The options of `-o`: mount(8)'s own that make sense here, FUSE's, and this file system's. */

/** Flags of mount(2). */
const MS_RDONLY = 1
const MS_NOSUID = 2
const MS_NODEV = 4
const MS_NOEXEC = 8
const MS_SYNCHRONOUS = 16
const MS_DIRSYNC = 128
const MS_NOATIME = 1024
const MS_NODIRATIME = 2048

export interface MountOptions {
  readonly readOnly: boolean
  /** MS_* of mount(2) */
  readonly flags: number
  /** The same as options of fusermount3, where it knows them. */
  readonly names: readonly string[]
  readonly allowOther: boolean
  readonly directIo: boolean
  /** Serve extended attributes. */
  readonly xattrs: boolean
  /** POSIX ACLs decide who may do what; not without extended attributes. */
  readonly acls: boolean
  /** Note when files were read, as relatime does. */
  readonly accessTimes: boolean
  /** The same of directories. */
  readonly directoryAccessTimes: boolean
}

/** Each option sets or clears a flag of mount(2). */
const flagOptions: ReadonlyMap<string, readonly [flag: number, set: boolean]> = new Map([
  ['ro', [MS_RDONLY, true]],
  ['rw', [MS_RDONLY, false]],
  ['nosuid', [MS_NOSUID, true]],
  ['suid', [MS_NOSUID, false]],
  ['nodev', [MS_NODEV, true]],
  ['dev', [MS_NODEV, false]],
  ['noexec', [MS_NOEXEC, true]],
  ['exec', [MS_NOEXEC, false]],
  ['sync', [MS_SYNCHRONOUS, true]],
  ['async', [MS_SYNCHRONOUS, false]],
  ['dirsync', [MS_DIRSYNC, true]],
  ['noatime', [MS_NOATIME, true]],
  ['relatime', [MS_NOATIME, false]],
  ['atime', [MS_NOATIME, false]],
  ['nodiratime', [MS_NODIRATIME, true]],
  ['diratime', [MS_NODIRATIME, false]],
])

/** fusermount3 knows no such options; relatime is what it mounts with, and the server sees to the others. */
const unknownToFusermount = new Set(['relatime', 'diratime', 'nodiratime'])

/** Options that mean what happens anyway, or are for others who read /etc/fstab. */
const ignoredOptions = new Set([
  'defaults',
  'default_permissions',
  'auto',
  'noauto',
  'nofail',
  'user',
  'users',
  'nouser',
  'nousers',
  'owner',
  'noowner',
  'group',
  'nogroup',
  '_netdev',
  'silent',
  // Linux itself takes it for relatime.
  'norelatime',
  'nostrictatime',
  // Times may be late on the medium with it, but need not be.
  'lazytime',
  'nolazytime',
  'user_xattr',
])
const ignoredPrefixes = ['x-', 'X-', 'comment=']

/** What mount(8) asks by an option, and this file system cannot do. */
const refusedOptions: ReadonlyMap<string, string> = new Map([
  ['remount', 'a mount cannot be changed by remount: umount it, and mount it again'],
  [
    'strictatime',
    'strictatime cannot be had, as the page cache answers reads that no server sees: relatime comes nearest',
  ],
])

export class UnknownOptionError extends Error {
  override readonly name = 'UnknownOptionError'
}

/** @param lists what followed each -o @throws UnknownOptionError */
export function parseMountOptions(lists: readonly string[]): MountOptions {
  let flags = 0
  let allowOther = false
  let directIo = false
  let xattrs = true
  let acls = true
  const names = new Map<number, string>()
  for (const option of lists.flatMap((list) => list.split(','))) {
    const flag = flagOptions.get(option)
    if (flag !== undefined) {
      flags = flag[1] ? flags | flag[0] : flags & ~flag[0]
      names.set(flag[0], option)
    } else if (option === 'allow_other') allowOther = true
    else if (option === 'direct_io') directIo = true
    else if (option === 'noxattr' || option === 'xattr') xattrs = option === 'xattr'
    else if (option === 'acl' || option === 'noacl') acls = option === 'acl'
    else if (!isIgnored(option)) {
      throw new UnknownOptionError(refusedOptions.get(option) ?? `unknown mount option ${option}`)
    }
  }
  return {
    readOnly: (flags & MS_RDONLY) !== 0,
    flags,
    names: [...names.values()].filter((name) => !unknownToFusermount.has(name)),
    allowOther,
    directIo,
    xattrs,
    acls: acls && xattrs,
    accessTimes: (flags & (MS_NOATIME | MS_RDONLY)) === 0,
    directoryAccessTimes: (flags & (MS_NOATIME | MS_NODIRATIME | MS_RDONLY)) === 0,
  }
}

function isIgnored(option: string): boolean {
  return (
    option === '' || ignoredOptions.has(option) || ignoredPrefixes.some((prefix) => option.startsWith(prefix))
  )
}
