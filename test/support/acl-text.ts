// SPDX-License-Identifier: GPL-2.0-only
/** ACLs as setfacl(1) has them in short: `u::rwx,u:7:r--,g::r-x,m::r-x,o::---`, and as the bytes of an attribute. */
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

const tags = new Map([
  ['u:', ACL_USER_OBJ],
  ['u', ACL_USER],
  ['g:', ACL_GROUP_OBJ],
  ['g', ACL_GROUP],
  ['m:', ACL_MASK],
  ['o:', ACL_OTHER],
])
const letters = 'xwr'

/** Entries in the order in which they stand, right or not. */
export function aclBytes(text: string): Buffer {
  const entries = text === '' ? [] : text.split(',')
  const bytes = Buffer.alloc(aclHeader.lengthBytes + entries.length * aclEntry.lengthBytes)
  bytes.writeUInt32LE(aclVersion, 0)
  entries.forEach((entry, n) => {
    const [kind, name, permissions] = entry.split(':') as [string, string, string]
    const at = aclHeader.lengthBytes + n * aclEntry.lengthBytes
    bytes.writeUInt16LE(tags.get(name === '' ? `${kind}:` : kind)!, at)
    bytes.writeUInt16LE(permissionsOf(permissions), at + 2)
    bytes.writeInt32LE(name === '' ? ACL_UNDEFINED_ID : Number(name), at + 4)
  })
  return bytes
}

export function aclText(bytes: Uint8Array): string {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const entries: string[] = []
  for (let at = aclHeader.lengthBytes; at < bytes.length; at += aclEntry.lengthBytes) {
    const tag = words.getUint16(at, true)
    const kind = [...tags].find(([, found]) => found === tag)![0]
    const name = kind.endsWith(':') ? kind : `${kind}:${words.getUint32(at + 4, true)}`
    const granted = words.getUint16(at + 2, true)
    const shown = [2, 1, 0].map((bit) => ((granted >>> bit) & 1 ? letters[bit]! : '-')).join('')
    entries.push(`${name}:${shown}`)
  }
  return entries.join(',')
}

/** The permission bits of the mode that agrees with an ACL. */
export function modeOfAcl(text: string): number {
  const entries = new Map(
    text.split(',').map((entry) => [entry.slice(0, -3), permissionsOf(entry.slice(-3))]),
  )
  return (entries.get('u::')! << 6) | ((entries.get('m::') ?? entries.get('g::')!) << 3) | entries.get('o::')!
}

function permissionsOf(text: string): number {
  return [0, 1, 2].reduce((bits, bit) => (text.includes(letters[bit]!) ? bits | (1 << bit) : bits), 0)
}
