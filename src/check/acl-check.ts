// SPDX-License-Identifier: GPL-2.0-only
/** Checks an ACL among the extended attributes of an inode: by itself, and against the inode's type and mode. */
import { mostAclWords } from '../../layout/acl.js'
import { xattrAccessAcl } from '../../layout/xattr.js'
import { Acl, rwxBits } from '../fs/acl.js'
import { S_IFDIR, S_IFLNK, S_IFMT } from '../fs/mode.js'

const acl = new Acl(new Int32Array(mostAclWords))

/** @returns the ACL that the value of an attribute is, until the next call; null where it is none */
export function readAcl(value: Uint8Array): Acl | null {
  return acl.load(value, 0, value.length) === 0 && !acl.isEmpty ? acl : null
}

/** @param namespace of an ACL @returns what is wrong with it, null for nothing */
export function aclProblem(namespace: number, value: Uint8Array, mode: number): string | null {
  const isAccess = namespace === xattrAccessAcl
  const type = mode & S_IFMT
  if (isAccess && type === S_IFLNK) return 'it is a symbolic link, but has an access ACL'
  if (!isAccess && type !== S_IFDIR) return 'it is no directory, but has a default ACL'
  const found = readAcl(value)
  if (found === null)
    return `its ${isAccess ? 'access' : 'default'} ACL has entries that acl(5) does not allow`
  if (!isAccess) return null
  if (found.isMinimal) return 'its access ACL says no more than its mode'
  const { permissions } = found
  const bits = mode & rwxBits
  return permissions === bits
    ? null
    : `its access ACL has permissions ${octal(permissions)}, but its mode ${octal(bits)}`
}

function octal(permissions: number): string {
  return permissions.toString(8).padStart(4, '0')
}
