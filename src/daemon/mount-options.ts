// SPDX-License-Identifier: GPL-2.0-only
/** The options of `-o`: mount(8)'s own that make sense here, FUSE's, and this file system's. */
import { isShownByKernel, isWithoutEffect, noticeOn, refusalOf } from './known-options.js'
import { joinOptions, optionParts, splitOptions } from './option-list.js'

import { type DataMode, dataModeOf } from '../fs/overwriting.js'

const dataPrefix = 'data='
const devicePrefix = 'device='
/** Flags of mount(2). */
export const MS_RDONLY = 1
const MS_NOSUID = 2
const MS_NODEV = 4
const MS_NOEXEC = 8
const MS_SYNCHRONOUS = 16
const MS_DIRSYNC = 128
export const MS_NOSYMFOLLOW = 256
export const MS_REMOUNT = 32
const MS_NOATIME = 1024
export const MS_NODIRATIME = 2048
const MS_RELATIME = 2 ** 21
const MS_STRICTATIME = 2 ** 24

/** What happens when a call meets damage: nothing further, or the file system becomes read-only. */
export type OnErrors = 'continue' | 'remount-ro'

/** Options of the server that can also be given as --workers, --channel and so on; as text, null where not given. */
export interface ServerWishes {
  readonly workers: string | null
  readonly channel: string | null
  readonly cpus: string | null
  readonly poll: string | null
  readonly mapper: string | null
  readonly enableUring: boolean
  readonly requireDax: boolean
}

export interface MountOptions {
  readonly readOnly: boolean
  /** MS_* of mount(2) */
  readonly flags: number
  /** The same as options of fusermount3, where it knows them. */
  readonly names: readonly string[]
  readonly allowOther: boolean
  readonly directIo: boolean
  /** How writes change blocks that a file has. */
  readonly data: DataMode
  /** The kernel gathers buffered writes, which are durable after fsync(2) only. */
  readonly writebackCache: boolean
  /** Serve extended attributes. */
  readonly xattrs: boolean
  /** POSIX ACLs decide who may do what; not without extended attributes. */
  readonly acls: boolean
  /** Note when files were read, as relatime does. */
  readonly accessTimes: boolean
  /** The same of directories. */
  readonly directoryAccessTimes: boolean
  /** Note each access, and not only as relatime does. The page cache must not answer reads then. */
  readonly strictAccessTimes: boolean
  /** Null where it was not given: continue, or for a remount as it was. */
  readonly onErrors: OnErrors | null
  /** Change the options of a mount that is there. */
  readonly remount: boolean
  readonly server: ServerWishes
  /** Devices of the volume, besides the one that is mounted. */
  readonly devices: readonly string[]
  /** All options as they were given. */
  readonly given: readonly string[]
  /** What people should know about options that have no effect. */
  readonly notices: readonly string[]
}

/** Which kind of access times is a choice of three. */
const ATIME = MS_NOATIME | MS_RELATIME | MS_STRICTATIME

/** Each option replaces a group of flags of mount(2). */
const flagOptions: ReadonlyMap<string, readonly [group: number, flags: number]> = new Map([
  ['ro', [MS_RDONLY, MS_RDONLY]],
  ['rw', [MS_RDONLY, 0]],
  ['nosuid', [MS_NOSUID, MS_NOSUID]],
  ['suid', [MS_NOSUID, 0]],
  ['nodev', [MS_NODEV, MS_NODEV]],
  ['dev', [MS_NODEV, 0]],
  ['noexec', [MS_NOEXEC, MS_NOEXEC]],
  ['exec', [MS_NOEXEC, 0]],
  ['sync', [MS_SYNCHRONOUS, MS_SYNCHRONOUS]],
  ['async', [MS_SYNCHRONOUS, 0]],
  ['dirsync', [MS_DIRSYNC, MS_DIRSYNC]],
  ['nosymfollow', [MS_NOSYMFOLLOW, MS_NOSYMFOLLOW]],
  ['symfollow', [MS_NOSYMFOLLOW, 0]],
  ['noatime', [ATIME, MS_NOATIME]],
  ['relatime', [ATIME, MS_RELATIME]],
  ['atime', [ATIME, MS_RELATIME]],
  ['strictatime', [ATIME, MS_STRICTATIME]],
  ['nostrictatime', [MS_STRICTATIME, 0]],
  ['nodiratime', [MS_NODIRATIME, MS_NODIRATIME]],
  ['diratime', [MS_NODIRATIME, 0]],
])

/** fusermount3 knows no such options; relatime is what it mounts with, and the server sees to the others. */
const unknownToFusermount = new Set([
  'relatime',
  'strictatime',
  'nostrictatime',
  'diratime',
  'nodiratime',
  'nosymfollow',
  'symfollow',
])

export class UnknownOptionError extends Error {
  override readonly name = 'UnknownOptionError'
}

type Wishes = { -readonly [Name in keyof ServerWishes]: ServerWishes[Name] }
const flagWishes: ReadonlyMap<string, 'enableUring' | 'requireDax'> = new Map([
  ['enable_uring', 'enableUring'],
  ['require_dax', 'requireDax'],
])
const valuedWishes = ['workers', 'channel', 'cpus', 'poll', 'mapper'] as const

/** @param lists what followed each -o @throws UnknownOptionError */
export function parseMountOptions(lists: readonly string[]): MountOptions {
  const options = lists.flatMap(splitOptions)
  const remount = options.includes('remount')
  const server: Wishes = {
    workers: null,
    channel: null,
    cpus: null,
    poll: null,
    mapper: null,
    enableUring: false,
    requireDax: false,
  }
  const notices: string[] = []
  const devices: string[] = []
  const names = new Map<number, string>()
  let flags = 0
  let allowOther = false
  let directIo = false
  let data: DataMode = 'inplace'
  let writebackCache = false
  let xattrs = true
  let acls = true
  let onErrors: OnErrors | null = null
  for (const option of options) {
    const flag = flagOptions.get(option)
    const notice = noticeOn(option)
    const mode = option.startsWith(dataPrefix) ? dataModeOf(option.slice(dataPrefix.length)) : null
    if (flag !== undefined) {
      flags = (flags & ~flag[0]) | flag[1]
      names.set(flag[0], option)
    } else if (option === 'allow_other') allowOther = true
    else if (option === 'direct_io') directIo = true
    else if (option === 'writeback_cache') writebackCache = true
    else if (option === 'noxattr' || option === 'xattr') xattrs = option === 'xattr'
    else if (option === 'acl' || option === 'noacl') acls = option === 'acl'
    else if (option === 'errors=continue' || option === 'errors=remount-ro') onErrors = onErrorsOf(option)
    else if (notice !== null) notices.push(notice)
    else if (isDevice(option)) devices.push(option.slice(devicePrefix.length))
    else if (mode !== null) data = mode
    else if (
      !takeWish(option, server) &&
      !isWithoutEffect(option) &&
      !(remount && (option === 'remount' || isShownByKernel(option)))
    )
      throw new UnknownOptionError(refusalOf(option))
  }
  const strictAccessTimes = (flags & MS_STRICTATIME) !== 0
  if ((directIo || strictAccessTimes) && writebackCache) {
    const name = directIo ? 'direct_io' : 'strictatime'
    throw new UnknownOptionError(`${name} leaves no writes for writeback_cache to gather: choose one`)
  }
  return {
    readOnly: (flags & MS_RDONLY) !== 0,
    flags,
    names: [...names.values()].filter((name) => !unknownToFusermount.has(name)),
    allowOther,
    directIo: directIo || strictAccessTimes,
    writebackCache,
    data,
    xattrs,
    acls: acls && xattrs,
    accessTimes: (flags & MS_NOATIME) === 0,
    directoryAccessTimes: (flags & (MS_NOATIME | MS_NODIRATIME)) === 0,
    strictAccessTimes,
    onErrors,
    remount,
    server,
    devices,
    given: options,
    notices,
  }
}

/** The options that {@link parseMountOptions} knows: `mount -s` tolerates others. */
export function withoutUnknown(list: string): string {
  const options = splitOptions(list)
  const remount = options.includes('remount') ? ['remount'] : []
  return joinOptions(options.filter((option) => isKnown([...remount, option])))
}

/** The list without the devices that it names. */
export function withoutDevices(list: string): string {
  return joinOptions(splitOptions(list).filter((option) => !isDevice(option)))
}

function isDevice(option: string): boolean {
  return option.startsWith(devicePrefix) && option.length > devicePrefix.length
}

function isKnown(options: readonly string[]): boolean {
  try {
    parseMountOptions([joinOptions(options)])
    return true
  } catch (error) {
    if (error instanceof UnknownOptionError) return false
    throw error
  }
}

function onErrorsOf(option: 'errors=continue' | 'errors=remount-ro'): OnErrors {
  return option === 'errors=remount-ro' ? 'remount-ro' : 'continue'
}

/** @returns whether the option is one of the server's */
function takeWish(option: string, wishes: Wishes): boolean {
  const flag = flagWishes.get(option)
  if (flag !== undefined) {
    wishes[flag] = true
    return true
  }
  const [name, value] = optionParts(option)
  const wish = valuedWishes.find((known) => known === name)
  if (wish === undefined || value === null) return false
  wishes[wish] = value
  return true
}
