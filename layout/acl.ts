// SPDX-License-Identifier: GPL-2.0-only
/**
 * POSIX ACLs (acl(5)) as values of attributes, in the form in which Linux passes them (linux/posix_acl_xattr.h): a
 * header, then entries in a fixed order. The owner's entry comes first, then those of named users, of the group, of
 * named groups, the mask, and others. There is a mask exactly if there are more than three entries.
 */
import { structure, u32 } from './structure.js'

export const aclVersion = 2

/** Tags of entries. */
export const ACL_USER_OBJ = 0x01
export const ACL_USER = 0x02
export const ACL_GROUP_OBJ = 0x04
export const ACL_GROUP = 0x08
export const ACL_MASK = 0x10
export const ACL_OTHER = 0x20
/** The id of an entry that is not of a named user or group, as a signed word. */
export const ACL_UNDEFINED_ID = -1

export const aclHeader = structure('acl header', 4, 'Starts an ACL.', {
  version: u32('2'),
})

export const aclEntry = structure('acl entry', 8, 'The permissions of some.', {
  tag: u32(
    'low half: 1 owner, 2 named user, 4 group, 8 named group, 16 mask, 32 others; high half: permissions, ' +
      '4 read, 2 write, 1 execute',
  ),
  id: u32('of a named user or group; else 2³² - 1'),
})

/** Linux passes ACLs to a FUSE server that fit into a page, which has room for this many entries. */
export const mostAclEntries = 511
export const mostAclWords = aclHeader.lengthWords + mostAclEntries * aclEntry.lengthWords
