// SPDX-License-Identifier: GPL-2.0-only
/**
 * A POSIX ACL (acl(5)) in memory, in the form of layout/acl.ts: made once, loaded for each call. It knows which mode
 * agrees with it, and what chmod(2) and the making of a file do to it.
 *
 * Invariant of a checked ACL: the first entry is the owner's and the last is that of others. The last but one is the
 * mask or, in a minimal ACL, which has no mask, the group's: it is what the group bits of the mode show.
 */
import {
  ACL_GROUP,
  ACL_GROUP_OBJ,
  ACL_MASK,
  ACL_OTHER,
  ACL_UNDEFINED_ID,
  ACL_USER,
  ACL_USER_OBJ,
  aclEntry,
  aclHeader,
  aclVersion,
} from '../../layout/acl.js'
import { E2BIG, EINVAL, EOPNOTSUPP } from './errno.js'

const headerBytes = aclHeader.lengthBytes
const entryWords = aclEntry.lengthWords
const firstEntry = aclHeader.lengthWords
/** Of an ACL that says no more than a mode. */
const minimalEntries = 3
const permissionShift = 16
const tagMask = 0xffff
const allPermissions = 7
export const rwxBits = 0o777
/** Entries that change with the mode: the owner's, that of the mask or the group, and that of others. */
export const changedByMode = 3

export class Acl {
  readonly words: Int32Array
  readonly bytes: Uint8Array
  lengthBytes = 0

  /** @param words memory for as many as an ACL may have: mostAclWords */
  constructor(words: Int32Array) {
    this.words = words
    this.bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
  }

  clear(): void {
    this.lengthBytes = 0
  }

  /** Becomes the same as another. */
  copy(other: Acl): void {
    this.lengthBytes = other.lengthBytes
    for (let n = 0; n < other.lengthBytes >>> 2; n++) this.words[n] = other.words[n]!
  }

  /** Takes a value in, whatever it is. @returns as {@link check} */
  load(from: Uint8Array, start: number, lengthBytes: number): number {
    this.lengthBytes = 0
    if (lengthBytes > this.bytes.length) return -E2BIG
    for (let n = 0; n < lengthBytes; n++) this.bytes[n] = from[start + n]!
    this.lengthBytes = lengthBytes
    return this.check()
  }

  /** How many entries there are. */
  get entries(): number {
    return this.lengthBytes <= headerBytes ? 0 : (this.lengthBytes - headerBytes) / aclEntry.lengthBytes
  }

  /** Whether it has no entries: to set such an ACL is to remove it. */
  get isEmpty(): boolean {
    return this.lengthBytes <= headerBytes
  }

  /** Whether the mode says the same, so that the ACL need not be stored. */
  get isMinimal(): boolean {
    return this.entries === minimalEntries
  }

  /** @returns 0 for an ACL that Linux accepts, an empty one included; -EINVAL, -EOPNOTSUPP for another version */
  check(): number {
    if (this.lengthBytes === 0) return 0
    if (this.lengthBytes < headerBytes) return -EINVAL
    if (this.words[aclHeader.word.version] !== aclVersion) return -EOPNOTSUPP
    if ((this.lengthBytes - headerBytes) % aclEntry.lengthBytes !== 0) return -EINVAL
    return this.isEmpty || this.#isOrdered() ? 0 : -EINVAL
  }

  /** Of an entry, from 0: ACL_USER_OBJ and so on. */
  tag(n: number): number {
    return this.words[at(n) + aclEntry.word.tag]! & tagMask
  }

  /** The permissions of an entry: 4 read, 2 write, 1 execute. */
  granted(n: number): number {
    return this.words[at(n) + aclEntry.word.tag]! >>> permissionShift
  }

  /** The user or group of a named entry. */
  idOf(n: number): number {
    return this.words[at(n) + aclEntry.word.id]! >>> 0
  }

  /** The permission bits of the mode that agrees with it. Of a checked ACL that is not empty, as all below. */
  get permissions(): number {
    const { entries } = this
    return (this.granted(0) << 6) | (this.granted(entries - 2) << 3) | this.granted(entries - 1)
  }

  /** The words of {@link words} that {@link agreeWith} changes, from 0 up to changedByMode. */
  wordOfMode(n: number): number {
    return at(n === 0 ? 0 : this.entries - changedByMode + n) + aclEntry.word.tag
  }

  /** Makes it agree with a mode, as chmod(2) does: the group bits go to the mask, if there is one. */
  agreeWith(mode: number): void {
    const { entries } = this
    this.#grant(0, mode >>> 6)
    this.#grant(entries - 2, mode >>> 3)
    this.#grant(entries - 1, mode)
  }

  /**
   * Turns a directory's default ACL into the access ACL of what is made in it.
   * @param mode that was asked for, without the umask taken off
   * @returns the mode that the file gets
   */
  inherit(mode: number): number {
    const granted = this.permissions & mode
    this.agreeWith(granted)
    return (mode & ~rwxBits) | granted
  }

  /**
   * Whether the entries come in their order, each once but those of named users and groups, and a mask where needed.
   */
  #isOrdered(): boolean {
    const { entries } = this
    let previous = 0
    let hasMask = false
    for (let n = 0; n < entries; n++) {
      const tag = this.tag(n)
      if (this.granted(n) > allPermissions || !follows(tag, previous)) return false
      const isNamed = tag === ACL_USER || tag === ACL_GROUP
      if (isNamed && this.words[at(n) + aclEntry.word.id] === ACL_UNDEFINED_ID) return false
      hasMask ||= tag === ACL_MASK
      previous = tag
    }
    return previous === ACL_OTHER && hasMask === entries > minimalEntries
  }

  #grant(n: number, permissions: number): void {
    const word = at(n) + aclEntry.word.tag
    this.words[word] = (this.words[word]! & tagMask) | ((permissions & allPermissions) << permissionShift)
  }
}

/** The word at which an entry begins. */
function at(n: number): number {
  return firstEntry + n * entryWords
}

/** Whether an entry may follow one of another tag; 0: it is the first. Tags rise, and only some may be left out. */
function follows(tag: number, previous: number): boolean {
  switch (tag) {
    case ACL_USER_OBJ:
      return previous === 0
    case ACL_USER:
    case ACL_GROUP_OBJ:
      return previous === ACL_USER_OBJ || previous === ACL_USER
    case ACL_GROUP:
    case ACL_MASK:
      return previous === ACL_GROUP_OBJ || previous === ACL_GROUP
    case ACL_OTHER:
      return previous === ACL_GROUP_OBJ || previous === ACL_MASK
    default:
      return false
  }
}
