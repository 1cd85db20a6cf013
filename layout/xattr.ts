// SPDX-License-Identifier: GPL-2.0-only
/**
 * Extended attributes: entries one after the other, in the inode or in one block. An entry is a header, the name behind
 * its namespace's prefix, and the value or the numbers of the value's blocks. All begin at words.
 */
import { blockBytes } from './geometry.js'
import { bytes, structure, u32 } from './structure.js'

/** Namespaces. Those of ACLs have one attribute each, whose name is the namespace's. */
export const xattrUser = 1
export const xattrAccessAcl = 2
export const xattrDefaultAcl = 3
export const xattrTrusted = 4
export const xattrSecurity = 6

/** What names in a namespace begin with, by namespace. */
export const xattrPrefixes: readonly (string | undefined)[] = [
  undefined,
  'user.',
  'system.posix_acl_access',
  'system.posix_acl_default',
  'trusted.',
  undefined,
  'security.',
]

/** Where a value lies: behind the name, or in blocks whose numbers follow the name. */
export const xattrDirect = 0
export const xattrInBlocks = 1

/** XATTR_NAME_MAX: a name with its prefix. */
export const longestXattrName = 255
/** XATTR_SIZE_MAX */
export const largestXattrValue = 65536
export const mostXattrValueBlocks = largestXattrValue / blockBytes

export const xattrEntry = structure('attribute entry', 8, 'Starts an extended attribute.', {
  key: u32('namespace (bits 0 to 7), bytes of the name (8 to 15), where the value lies (16 to 31)'),
  length: u32('bytes of the value, 0 to 65536'),
})

export const xattrBlock = structure('attribute block', 16, 'Starts a block of extended attributes.', {
  inode: u32('inode that it belongs to'),
  bytes: u32('bytes of the entries that follow'),
  checksum: u32('reserved for a checksum of the block'),
  reserved: bytes(4, 'zeros'),
})
