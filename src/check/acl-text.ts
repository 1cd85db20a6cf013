// SPDX-License-Identifier: GPL-2.0-only
/** An ACL on the medium in the short form of setfacl(1): `u::rw-,u:1000:r--,g::r--,m::r--,o::---`. */
import { ACL_GROUP, ACL_GROUP_OBJ, ACL_MASK, ACL_OTHER, ACL_USER, ACL_USER_OBJ } from '../../layout/acl.js'
import type { Acl } from '../fs/acl.js'

const kinds = new Map([
  [ACL_USER_OBJ, 'u:'],
  [ACL_USER, 'u:'],
  [ACL_GROUP_OBJ, 'g:'],
  [ACL_GROUP, 'g:'],
  [ACL_MASK, 'm:'],
  [ACL_OTHER, 'o:'],
])

/** @param acl checked */
export function aclText(acl: Acl): string {
  return Array.from({ length: acl.entries }, (_, n) => entryText(acl, n)).join()
}

function entryText(acl: Acl, n: number): string {
  const tag = acl.tag(n)
  const name = tag === ACL_USER || tag === ACL_GROUP ? String(acl.idOf(n)) : ''
  return `${kinds.get(tag) ?? '?:'}${name}:${permissionText(acl.granted(n))}`
}

function permissionText(granted: number): string {
  return `${granted & 4 ? 'r' : '-'}${granted & 2 ? 'w' : '-'}${granted & 1 ? 'x' : '-'}`
}
