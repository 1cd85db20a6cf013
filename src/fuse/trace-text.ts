// SPDX-License-Identifier: GPL-2.0-only
/**
 * A request and its reply as text for a trace: names quoted and escaped, flags and error numbers by name. Everything
 * here allocates; it runs only while somebody traces.
 */
import { getSystemErrorName } from 'node:util'
import { nameText } from '../check/name-text.js'
import { counted } from '../fs/counted.js'
import * as errnos from '../fs/errno.js'
import { Name } from '../fs/name.js'
import { ioctlNames } from './ioctl-numbers.js'
import type { Message } from './message.js'
import * as fuse from './protocol.js'

/** A longer target of a symbolic link is cut, so that a line stays below what a pipe takes at once (PIPE_BUF). */
const mostNameBytes = 255
/** References of a BATCH_FORGET that are listed. */
const mostListed = 32

type Flags = readonly (readonly [mask: number, name: string])[]

const openFlags: Flags = [
  [0o1, 'O_WRONLY'],
  [0o2, 'O_RDWR'],
  [0o100, 'O_CREAT'],
  [0o200, 'O_EXCL'],
  [0o400, 'O_NOCTTY'],
  [fuse.O_TRUNC, 'O_TRUNC'],
  [0o2000, 'O_APPEND'],
  [0o4000, 'O_NONBLOCK'],
  [0o4010000, 'O_SYNC'],
  [0o10000, 'O_DSYNC'],
  [0o40000, 'O_DIRECT'],
  [0o100000, 'O_LARGEFILE'],
  [0o200000, 'O_DIRECTORY'],
  [0o400000, 'O_NOFOLLOW'],
  [fuse.O_NOATIME, 'O_NOATIME'],
]
const writeFlags: Flags = [
  [fuse.FUSE_WRITE_CACHE, 'CACHE'],
  [1 << 1, 'LOCKOWNER'],
  [fuse.FUSE_WRITE_KILL_SUIDGID, 'KILL_SUIDGID'],
]
const renameFlags: Flags = [
  [1 << 0, 'NOREPLACE'],
  [1 << 1, 'EXCHANGE'],
  [1 << 2, 'WHITEOUT'],
]
const xattrFlags: Flags = [
  [1 << 0, 'XATTR_CREATE'],
  [1 << 1, 'XATTR_REPLACE'],
]
const setxattrFlags: Flags = [[fuse.FUSE_SETXATTR_ACL_KILL_SGID, 'ACL_KILL_SGID']]
const whences = ['SEEK_SET', 'SEEK_CUR', 'SEEK_END', 'SEEK_DATA', 'SEEK_HOLE']

/** What a request's struct and names say, by opcode. */
const requests: Readonly<Record<number, (message: Message) => readonly string[]>> = {
  [fuse.FUSE_LOOKUP]: firstName,
  [fuse.FUSE_UNLINK]: firstName,
  [fuse.FUSE_RMDIR]: firstName,
  [fuse.FUSE_SYMLINK]: twoNames,
  [fuse.FUSE_SETATTR]: changedAttributes,
  [fuse.FUSE_BATCH_FORGET]: forgotten,
  [fuse.FUSE_GETXATTR]: (message) => [...firstName(message), ...listedBytes(message)],
  [fuse.FUSE_LISTXATTR]: listedBytes,
  [fuse.FUSE_SETXATTR]: (message) => {
    const at = fuse.fuse_setxattr_in.word
    const flags = message.argument(at.flags)
    const further = message.argument(at.setxattr_flags)
    return [
      ...firstName(message),
      `size ${message.argument(at.size) >>> 0}`,
      ...(flags === 0 ? [] : [flagText(flags, xattrFlags)]),
      ...(further === 0 ? [] : [flagText(further, setxattrFlags)]),
    ]
  },
  [fuse.FUSE_REMOVEXATTR]: firstName,
  [fuse.FUSE_FORGET]: (message) => [`references ${wide(message, fuse.fuse_forget_in.word.nlookup)}`],
  [fuse.FUSE_MKNOD]: (message) => {
    const at = fuse.fuse_mknod_in.word
    const device = message.argument(at.rdev)
    return [
      ...firstName(message),
      modeAndUmask(message, at),
      ...(device === 0 ? [] : [`device ${deviceText(device)}`]),
    ]
  },
  [fuse.FUSE_MKDIR]: (message) => [...firstName(message), modeAndUmask(message, fuse.fuse_mkdir_in.word)],
  [fuse.FUSE_CREATE]: created,
  [fuse.FUSE_TMPFILE]: created,
  [fuse.FUSE_OPEN]: (message) => [flagText(message.argument(fuse.fuse_open_in.word.flags), openFlags)],
  [fuse.FUSE_LINK]: (message) => [
    ...firstName(message),
    `to inode ${wide(message, fuse.fuse_link_in.word.oldnodeid)}`,
  ],
  [fuse.FUSE_RENAME]: (message) => renamed(message, fuse.fuse_rename_in.word.newdir),
  [fuse.FUSE_RENAME2]: (message) => [
    ...renamed(message, fuse.fuse_rename2_in.word.newdir),
    flagText(message.argument(fuse.fuse_rename2_in.word.flags), renameFlags),
  ],
  [fuse.FUSE_READ]: (message) => {
    const at = fuse.fuse_read_in.word
    return [`offset ${wide(message, at.offset)}`, `size ${message.argument(at.size) >>> 0}`]
  },
  [fuse.FUSE_READDIR]: listed,
  [fuse.FUSE_READDIRPLUS]: listed,
  [fuse.FUSE_WRITE]: (message) => {
    const at = fuse.fuse_write_in.word
    const flags = message.argument(at.write_flags)
    return [
      `offset ${wide(message, at.offset)}`,
      `size ${message.argument(at.size) >>> 0}`,
      ...(flags === 0 ? [] : [flagText(flags, writeFlags)]),
    ]
  },
  [fuse.FUSE_FALLOCATE]: (message) => {
    const at = fuse.fuse_fallocate_in.word
    return [
      `offset ${wide(message, at.offset)}`,
      `length ${wide(message, at.length)}`,
      `mode ${hex(message.argument(at.mode))}`,
    ]
  },
  [fuse.FUSE_LSEEK]: (message) => {
    const at = fuse.fuse_lseek_in.word
    const whence = message.argument(at.whence)
    return [`offset ${wide(message, at.offset)}`, whences[whence] ?? `whence ${whence}`]
  },
  [fuse.FUSE_IOCTL]: (message) => {
    const cmd = message.argument(fuse.fuse_ioctl_in.word.cmd)
    return [ioctlNames.get(cmd) ?? `command ${hex(cmd)}`]
  },
  [fuse.FUSE_COPY_FILE_RANGE]: copiedRange,
  [fuse.FUSE_COPY_FILE_RANGE_64]: copiedRange,
  [fuse.FUSE_STATX]: (message) => [`mask ${hex(message.argument(fuse.fuse_statx_in.word.sx_mask))}`],
  [fuse.FUSE_INIT]: (message) => {
    const at = fuse.fuse_init_in.word
    return [
      `protocol ${message.argument(at.major)}.${message.argument(at.minor)}`,
      `flags ${hex(message.argument(at.flags))} ${hex(message.argument(at.flags2))}`,
    ]
  },
}

/** What a reply's struct says, by opcode; of others the bytes are counted. */
const replies: Readonly<Record<number, (message: Message) => string>> = {
  [fuse.FUSE_LOOKUP]: entryText,
  [fuse.FUSE_MKNOD]: entryText,
  [fuse.FUSE_MKDIR]: entryText,
  [fuse.FUSE_SYMLINK]: entryText,
  [fuse.FUSE_LINK]: entryText,
  [fuse.FUSE_CREATE]: entryText,
  [fuse.FUSE_TMPFILE]: entryText,
  [fuse.FUSE_GETATTR]: (message) => attributeText(message, fuse.fuse_attr_out.word.attr),
  [fuse.FUSE_SETATTR]: (message) => attributeText(message, fuse.fuse_attr_out.word.attr),
  [fuse.FUSE_STATX]: (message) => statxText(message),
  [fuse.FUSE_READLINK]: (message) => cutName(message.fileBytes(mostNameBytes + 1)),
  [fuse.FUSE_WRITE]: (message) => counted(replied(message, fuse.fuse_write_out.word.size), 'byte'),
  [fuse.FUSE_LSEEK]: (message) => `offset ${repliedWide(message, fuse.fuse_lseek_out.word.offset)}`,
  [fuse.FUSE_COPY_FILE_RANGE]: copiedBytes,
  [fuse.FUSE_COPY_FILE_RANGE_64]: copiedBytes,
  [fuse.FUSE_GETXATTR]: xattrText,
  [fuse.FUSE_LISTXATTR]: xattrText,
  [fuse.FUSE_STATFS]: (message) => {
    const at = fuse.fuse_statfs_out.word
    return `${repliedWide(message, at.bfree)} of ${repliedWide(message, at.blocks)} blocks free`
  },
  [fuse.FUSE_INIT]: (message) => {
    const at = fuse.fuse_init_out.word
    return (
      `protocol ${replied(message, at.major)}.${replied(message, at.minor)}, ` +
      `flags ${hex(replied(message, at.flags))} ${hex(replied(message, at.flags2))}`
    )
  },
}

const errnoNames = new Map(Object.entries(errnos).map(([name, number]) => [number, name]))

/** @param errno positive */
export function errnoName(errno: number): string {
  return errnoNames.get(errno) ?? getSystemErrorName(-errno)
}

/** The opcode's name with what the request says, such as `READ(inode 2, offset 0, size 4096)`. */
export function requestText(message: Message): string {
  const { opcode } = message
  const name = fuse.opcodeNames[opcode] ?? `opcode ${opcode}`
  const words = requests[opcode]?.(message) ?? []
  return `${name}(${[`inode ${message.nodeid}`, ...words].join(', ')})`
}

/**
 * @param result of the handler: bytes of the reply's struct, or a negative errno
 * @param listedCount entries of the reply, where it is a listing
 */
export function replyText(opcode: number, result: number, message: Message, listedCount = 0): string {
  if (result < 0) return errnoName(-result)
  if (opcode === fuse.FUSE_READDIR || opcode === fuse.FUSE_READDIRPLUS)
    return `${counted(listedCount, 'entry', 'entries')}, ${counted(result + message.pieceBytes, 'byte')}`
  const describe = replies[opcode]
  if (describe !== undefined) return describe(message)
  const bytes = result + message.pieceBytes
  return bytes === 0 ? '0' : counted(bytes, 'byte')
}

function firstName(message: Message): string[] {
  return [names(message, 1)[0]!]
}

function twoNames(message: Message): string[] {
  return names(message, 2)
}

function names(message: Message, count: number): string[] {
  const name = new Name()
  const texts: string[] = []
  let at = 0
  for (let n = 0; n < count; n++) {
    at = message.name(name, at)
    texts.push(cutName(name.bytes.subarray(name.start, name.start + name.length)))
  }
  return texts
}

function cutName(bytes: Uint8Array): string {
  return nameText(bytes.subarray(0, mostNameBytes)) + (bytes.length > mostNameBytes ? '…' : '')
}

function created(message: Message): string[] {
  const at = fuse.fuse_create_in.word
  return [...firstName(message), flagText(message.argument(at.flags), openFlags), modeAndUmask(message, at)]
}

function renamed(message: Message, newDirectoryWord: number): string[] {
  const [from, to] = twoNames(message)
  return [from!, `to inode ${wide(message, newDirectoryWord)}`, to!]
}

function copiedRange(message: Message): string[] {
  const at = fuse.fuse_copy_file_range_in.word
  return [
    `offset ${wide(message, at.off_in)}`,
    `to inode ${wide(message, at.nodeid_out)}`,
    `offset ${wide(message, at.off_out)}`,
    `length ${wide(message, at.len)}`,
  ]
}

function listedBytes(message: Message): string[] {
  return [`size ${message.argument(fuse.fuse_getxattr_in.word.size) >>> 0}`]
}

/** The bytes that there are; where nobody has room for them, their number comes in the reply's struct. */
function xattrText(message: Message): string {
  const asked = message.argument(fuse.fuse_getxattr_in.word.size)
  return counted(
    asked === 0 ? replied(message, fuse.fuse_getxattr_out.word.size) : message.pieceBytes,
    'byte',
  )
}

function copiedBytes(message: Message): string {
  return counted(replied(message, fuse.fuse_copy_file_range_out.word.bytes_copied), 'byte')
}

function listed(message: Message): string[] {
  const at = fuse.fuse_read_in.word
  const cookie = BigInt.asUintN(64, wide(message, at.offset))
  return [`cookie 0x${cookie.toString(16)}`, `size ${message.argument(at.size) >>> 0}`]
}

function forgotten(message: Message): string[] {
  const { words } = message.payload
  const one = fuse.fuse_forget_one
  const count = message.argument(fuse.fuse_batch_forget_in.word.count)
  const texts: string[] = []
  for (let n = 0; n < Math.min(count, mostListed); n++) {
    const at = (message.payloadStart >>> 2) + n * one.lengthWords
    texts.push(`inode ${words[at + one.word.nodeid]!} references ${words[at + one.word.nlookup]!}`)
  }
  return count > mostListed ? [...texts, `and ${count - mostListed} more`] : texts
}

function changedAttributes(message: Message): string[] {
  const at = fuse.fuse_setattr_in.word
  const valid = message.argument(at.valid)
  const texts: string[] = []
  if (valid & fuse.FATTR_MODE) texts.push(`mode ${octal(message.argument(at.mode))}`)
  if (valid & fuse.FATTR_UID) texts.push(`uid ${message.argument(at.uid) >>> 0}`)
  if (valid & fuse.FATTR_GID) texts.push(`gid ${message.argument(at.gid) >>> 0}`)
  if (valid & fuse.FATTR_SIZE) texts.push(`size ${wide(message, at.size)}`)
  const time = (name: string, now: number, seconds: number, nanoseconds: number): void => {
    texts.push(`${name} ${valid & now ? 'now' : timeText(message, seconds, nanoseconds)}`)
  }
  if (valid & fuse.FATTR_ATIME) time('atime', fuse.FATTR_ATIME_NOW, at.atime, at.atimensec)
  if (valid & fuse.FATTR_MTIME) time('mtime', fuse.FATTR_MTIME_NOW, at.mtime, at.mtimensec)
  if (valid & fuse.FATTR_CTIME) time('ctime', 0, at.ctime, at.ctimensec)
  if (valid & fuse.FATTR_KILL_SUIDGID) texts.push('KILL_SUIDGID')
  return texts
}

function timeText(message: Message, seconds: number, nanoseconds: number): string {
  return `${wide(message, seconds)}.${String(message.argument(nanoseconds)).padStart(9, '0')}`
}

function modeAndUmask(message: Message, at: { readonly mode: number; readonly umask: number }): string {
  return `mode ${octal(message.argument(at.mode))}, umask ${octal(message.argument(at.umask))}`
}

function entryText(message: Message): string {
  const at = fuse.fuse_entry_out.word
  const inode = replied(message, at.nodeid)
  // Inode 0 stands for ENOENT, in an answer that the kernel caches.
  if (inode === 0) return 'ENOENT'
  return `inode ${inode} generation ${replied(message, at.generation) >>> 0}, ${attributeText(message, at.attr)}`
}

function attributeText(message: Message, word: number): string {
  const at = fuse.fuse_attr.word
  const value = (field: number): number => replied(message, word + field)
  return (
    `mode ${octal(value(at.mode))}, links ${value(at.nlink) >>> 0}, owner ${value(at.uid) >>> 0}:` +
    `${value(at.gid) >>> 0}, size ${repliedWide(message, word + at.size)}`
  )
}

function statxText(message: Message): string {
  const at = fuse.fuse_statx_out.word
  return (
    `mode ${octal(replied(message, at.mode) & 0xffff)}, links ${replied(message, at.nlink) >>> 0}, ` +
    `owner ${replied(message, at.uid) >>> 0}:${replied(message, at.gid) >>> 0}, size ${repliedWide(message, at.size)}`
  )
}

/** Names of the flags that are set, and the rest in hexadecimal. */
function flagText(flags: number, known: Flags): string {
  const texts: string[] = []
  let rest = flags
  for (const [mask, name] of known) {
    if ((rest & mask) !== mask) continue
    texts.push(name)
    rest &= ~mask
  }
  if (rest !== 0 || texts.length === 0) texts.push(hex(rest))
  return texts.join('|')
}

/** As makedev(3) puts it into the kernel's 32 bits. */
function deviceText(device: number): string {
  return `${(device >>> 8) & 0xfff}:${(device & 0xff) | ((device >>> 12) & 0xfff00)}`
}

function octal(value: number): string {
  return `0${(value >>> 0).toString(8)}`
}

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`
}

/** A signed pair of words of the request's struct. */
function wide(message: Message, word: number): bigint {
  return join(message.argument(word), message.argument(word + 1))
}

function replied(message: Message, word: number): number {
  return message.payload.words[message.replyWord + word]!
}

function repliedWide(message: Message, word: number): bigint {
  return join(replied(message, word), replied(message, word + 1))
}

function join(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low >>> 0)
}
