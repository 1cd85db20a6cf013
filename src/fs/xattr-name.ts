// SPDX-License-Identifier: GPL-2.0-only
/**
 * The name of an extended attribute, as the medium has it: a namespace, and the bytes behind the namespace's prefix.
 */
import {
  longestXattrName,
  xattrAccessAcl,
  xattrDefaultAcl,
  xattrPrefixes,
  xattrSecurity,
  xattrUser,
} from '../../layout/xattr.js'
import { EINVAL, EOPNOTSUPP, ERANGE } from './errno.js'
import { S_IFDIR, S_IFMT, S_IFREG } from './mode.js'
import type { Name } from './name.js'

const prefixes = xattrPrefixes.map((prefix) => (prefix === undefined ? undefined : Buffer.from(prefix)))
const noBytes: Uint8Array = new Uint8Array(0)

export class XattrName {
  namespace = 0
  bytes: Uint8Array = noBytes
  start = 0
  length = 0

  set(namespace: number, bytes: Uint8Array = noBytes, start = 0, length = bytes.length): this {
    this.namespace = namespace
    this.bytes = bytes
    this.start = start
    this.length = length
    return this
  }

  /**
   * Takes a whole name apart.
   * @returns 0; -ERANGE for one that is empty or too long, -EOPNOTSUPP in no known namespace, -EINVAL for a prefix
   * alone or a NUL
   */
  parse(name: Name): number {
    if (name.length === 0 || name.length > longestXattrName) return -ERANGE
    for (let namespace = 1; namespace < prefixes.length; namespace++) {
      const prefix = prefixes[namespace]
      if (prefix === undefined || !startsWith(name, prefix)) continue
      const length = name.length - prefix.length
      if (hasOneName(namespace)) {
        if (length > 0) continue
      } else if (length === 0) return -EINVAL
      if (hasNul(name)) return -EINVAL
      this.set(namespace, name.bytes, name.start + prefix.length, length)
      return 0
    }
    return -EOPNOTSUPP
  }
}

/** Whether all of a namespace is one attribute. */
export function hasOneName(namespace: number): boolean {
  return namespace === xattrAccessAcl || namespace === xattrDefaultAcl
}

/** Attributes of users stand on files and directories alone, as the permissions of others mean something else. */
export function canHaveXattr(mode: number, namespace: number): boolean {
  const type = mode & S_IFMT
  return namespace !== xattrUser || type === S_IFREG || type === S_IFDIR
}

/** What names in a namespace begin with; undefined where there is no such namespace. */
export function prefixOf(namespace: number): Uint8Array | undefined {
  return prefixes[namespace]
}

export const accessAcl = new XattrName().set(xattrAccessAcl)
export const defaultAcl = new XattrName().set(xattrDefaultAcl)
/** security.capability: what a program may do that runs it. Whatever changes the file takes it away. */
export const capability = new XattrName().set(xattrSecurity, Buffer.from('capability'))

export function isCapability(name: XattrName): boolean {
  if (name.namespace !== xattrSecurity || name.length !== capability.length) return false
  for (let n = 0; n < name.length; n++) {
    if (name.bytes[name.start + n] !== capability.bytes[n]) return false
  }
  return true
}

function startsWith(name: Name, prefix: Uint8Array): boolean {
  if (name.length < prefix.length) return false
  for (let n = 0; n < prefix.length; n++) {
    if (name.bytes[name.start + n] !== prefix[n]) return false
  }
  return true
}

function hasNul(name: Name): boolean {
  for (let n = 0; n < name.length; n++) {
    if (name.bytes[name.start + n] === 0) return true
  }
  return false
}
