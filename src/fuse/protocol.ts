// SPDX-License-Identifier: GPL-2.0-only
/**
 * The FUSE protocol as tables of offsets, with the names of the kernel's header (include/uapi/linux/fuse.h, protocol
 * 7.45). All words are little-endian; a name that follows a struct ends with a NUL.
 */
import { bytes, structure, u32, u64 } from '../../layout/structure.js'

export const FUSE_KERNEL_VERSION = 7
/** The newest minor version whose structs are written out here. */
export const FUSE_KERNEL_MINOR_VERSION = 45
/** Linux 5.4: MAX_PAGES and the sizes of structs that the tables show. */
export const oldestMinorVersion = 31

/** Inode number of the root directory. */
export const FUSE_ROOT_ID = 1

export const FUSE_LOOKUP = 1
export const FUSE_FORGET = 2
export const FUSE_GETATTR = 3
export const FUSE_SETATTR = 4
export const FUSE_READLINK = 5
export const FUSE_SYMLINK = 6
export const FUSE_MKNOD = 8
export const FUSE_MKDIR = 9
export const FUSE_UNLINK = 10
export const FUSE_RMDIR = 11
export const FUSE_RENAME = 12
export const FUSE_LINK = 13
export const FUSE_OPEN = 14
export const FUSE_READ = 15
export const FUSE_WRITE = 16
export const FUSE_STATFS = 17
export const FUSE_RELEASE = 18
export const FUSE_SETXATTR = 21
export const FUSE_GETXATTR = 22
export const FUSE_LISTXATTR = 23
export const FUSE_REMOVEXATTR = 24
export const FUSE_INIT = 26
export const FUSE_OPENDIR = 27
export const FUSE_READDIR = 28
export const FUSE_RELEASEDIR = 29
export const FUSE_CREATE = 35
export const FUSE_INTERRUPT = 36
export const FUSE_DESTROY = 38
export const FUSE_IOCTL = 39
export const FUSE_BATCH_FORGET = 42
export const FUSE_FALLOCATE = 43
export const FUSE_READDIRPLUS = 44
export const FUSE_RENAME2 = 45
export const FUSE_LSEEK = 46
export const FUSE_COPY_FILE_RANGE = 47
export const FUSE_SYNCFS = 50
export const FUSE_TMPFILE = 51
export const FUSE_STATX = 52
export const FUSE_COPY_FILE_RANGE_64 = 53

/** Names by opcode, for traces and statistics. */
export const opcodeNames: readonly (string | undefined)[] = nameOpcodes({
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  GETLK: 31,
  SETLK: 32,
  SETLKW: 33,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  BMAP: 37,
  DESTROY: 38,
  IOCTL: 39,
  POLL: 40,
  NOTIFY_REPLY: 41,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
  SETUPMAPPING: 48,
  REMOVEMAPPING: 49,
  SYNCFS: 50,
  TMPFILE: 51,
  STATX: 52,
  COPY_FILE_RANGE_64: 53,
})

export const mostOpcodes = 64

export const fuse_in_header = structure('fuse_in_header', 40, 'Starts every request.', {
  len: u32('bytes of the whole request'),
  opcode: u32('FUSE_*'),
  unique: u64('identifies the request; the reply repeats it'),
  nodeid: u64('the inode'),
  uid: u32("the caller's file system user"),
  gid: u32("the caller's file system group"),
  pid: u32("the caller's process"),
  total_extlen: u32('extensions at the end, in 8-byte units (low half)'),
})

export const fuse_out_header = structure('fuse_out_header', 16, 'Starts every reply.', {
  len: u32('bytes of the whole reply'),
  error: u32('0 or a negative errno'),
  unique: u64("the request's"),
})

const attrFields = {
  ino: u64('inode number'),
  size: u64('bytes'),
  blocks: u64('in units of 512 bytes'),
  atime: u64('seconds, signed'),
  mtime: u64('seconds, signed'),
  ctime: u64('seconds, signed'),
  atimensec: u32('nanoseconds'),
  mtimensec: u32('nanoseconds'),
  ctimensec: u32('nanoseconds'),
  mode: u32('type and permissions'),
  nlink: u32('names'),
  uid: u32('owner'),
  gid: u32('group'),
  rdev: u32('device number, as new_encode_dev() makes it'),
  blksize: u32('preferred size of requests'),
  flags: u32('FUSE_ATTR_*'),
}
export const fuse_attr = structure('fuse_attr', 88, 'The attributes of an inode.', attrFields)

export const fuse_entry_out = structure('fuse_entry_out', 128, 'Answers LOOKUP and what makes an entry.', {
  nodeid: u64('the inode; 0: there is none, and that may be cached'),
  generation: u64('tells uses of the same inode number apart'),
  entry_valid: u64('how long the name may be cached, seconds'),
  attr_valid: u64('how long the attributes may be cached, seconds'),
  entry_valid_nsec: u32('and nanoseconds'),
  attr_valid_nsec: u32('and nanoseconds'),
  attr: bytes(88, 'fuse_attr'),
})

export const fuse_attr_out = structure('fuse_attr_out', 104, 'Answers GETATTR and SETATTR.', {
  attr_valid: u64('how long they may be cached, seconds'),
  attr_valid_nsec: u32('and nanoseconds'),
  dummy: u32('0'),
  attr: bytes(88, 'fuse_attr'),
})

export const fuse_setattr_in = structure('fuse_setattr_in', 88, 'SETATTR', {
  valid: u32('FATTR_*'),
  padding: u32(''),
  fh: u64('file handle, with FATTR_FH'),
  size: u64('new size'),
  lock_owner: u64(''),
  atime: u64('seconds'),
  mtime: u64('seconds'),
  ctime: u64('seconds'),
  atimensec: u32('nanoseconds'),
  mtimensec: u32('nanoseconds'),
  ctimensec: u32('nanoseconds'),
  mode: u32('new mode'),
  unused4: u32(''),
  uid: u32('new owner'),
  gid: u32('new group'),
  unused5: u32(''),
})

export const FATTR_MODE = 1 << 0
export const FATTR_UID = 1 << 1
export const FATTR_GID = 1 << 2
export const FATTR_SIZE = 1 << 3
export const FATTR_ATIME = 1 << 4
export const FATTR_MTIME = 1 << 5
export const FATTR_ATIME_NOW = 1 << 7
export const FATTR_MTIME_NOW = 1 << 8
export const FATTR_CTIME = 1 << 10
export const FATTR_KILL_SUIDGID = 1 << 11

export const fuse_mknod_in = structure('fuse_mknod_in', 16, 'MKNOD; a name follows.', {
  mode: u32('type and permissions, without the umask taken off'),
  rdev: u32('device number'),
  umask: u32("the caller's umask"),
  padding: u32(''),
})

export const fuse_mkdir_in = structure('fuse_mkdir_in', 8, 'MKDIR; a name follows.', {
  mode: u32('permissions'),
  umask: u32("the caller's umask"),
})

export const fuse_rename_in = structure('fuse_rename_in', 8, 'RENAME; the old and the new name follow.', {
  newdir: u64('directory of the new name'),
})

export const fuse_rename2_in = structure('fuse_rename2_in', 16, 'RENAME2; the old and the new name follow.', {
  newdir: u64('directory of the new name'),
  flags: u32('RENAME_* of renameat2(2)'),
  padding: u32(''),
})

export const fuse_link_in = structure('fuse_link_in', 8, 'LINK; the new name follows.', {
  oldnodeid: u64('the inode to give a name'),
})

export const fuse_open_in = structure('fuse_open_in', 8, 'OPEN', {
  flags: u32('O_*'),
  open_flags: u32('FUSE_OPEN_*'),
})

export const O_WRONLY = 0o1
export const O_ACCMODE = 0o3
export const O_TRUNC = 0o1000
export const O_APPEND = 0o2000
export const O_NOATIME = 0o1000000
export const FUSE_OPEN_KILL_SUIDGID = 1 << 0

export const fuse_create_in = structure('fuse_create_in', 16, 'CREATE and TMPFILE; a name follows.', {
  flags: u32('O_*'),
  mode: u32('permissions, without the umask taken off'),
  umask: u32("the caller's umask"),
  open_flags: u32('FUSE_OPEN_*'),
})

export const fuse_open_out = structure(
  'fuse_open_out',
  16,
  'Answers OPEN, and follows the entry of CREATE.',
  {
    fh: u64('file handle'),
    open_flags: u32('FOPEN_*'),
    backing_id: u32('0'),
  },
)

export const FOPEN_DIRECT_IO = 1 << 0
export const FOPEN_KEEP_CACHE = 1 << 1
export const FOPEN_NOFLUSH = 1 << 5
export const FOPEN_PARALLEL_DIRECT_WRITES = 1 << 6

export const fuse_read_in = structure('fuse_read_in', 40, 'READ, READDIR and READDIRPLUS', {
  fh: u64('file handle'),
  offset: u64('byte position; in a directory, the cookie to go on after'),
  size: u32('bytes at the most'),
  read_flags: u32(''),
  lock_owner: u64(''),
  flags: u32('O_*'),
  padding: u32(''),
})

export const fuse_write_in = structure('fuse_write_in', 40, 'WRITE; the data follows.', {
  fh: u64('file handle'),
  offset: u64('byte position'),
  size: u32('bytes'),
  write_flags: u32('FUSE_WRITE_*'),
  lock_owner: u64(''),
  flags: u32('O_*'),
  padding: u32(''),
})

/** The kernel writes a page back, of a mapping or its cache, and does not look at the count that it is told. */
export const FUSE_WRITE_CACHE = 1 << 0
export const FUSE_WRITE_KILL_SUIDGID = 1 << 2

export const fuse_write_out = structure('fuse_write_out', 8, 'Answers WRITE.', {
  size: u32('bytes written'),
  padding: u32(''),
})

export const fuse_statfs_out = structure('fuse_statfs_out', 80, 'Answers STATFS.', {
  blocks: u64('blocks in units of frsize'),
  bfree: u64('free ones'),
  bavail: u64('free ones for all users'),
  files: u64('inodes'),
  ffree: u64('free ones'),
  bsize: u32('preferred size of requests'),
  namelen: u32('longest name, bytes'),
  frsize: u32('size of a block, bytes'),
  padding: u32(''),
  spare: bytes(24, ''),
})

export const fuse_forget_in = structure('fuse_forget_in', 8, 'FORGET', {
  nlookup: u64('how many references are given back'),
})

export const fuse_batch_forget_in = structure(
  'fuse_batch_forget_in',
  8,
  'BATCH_FORGET; fuse_forget_one follow.',
  {
    count: u32('how many follow'),
    dummy: u32(''),
  },
)

export const fuse_forget_one = structure('fuse_forget_one', 16, 'One of a batch.', {
  nodeid: u64('the inode'),
  nlookup: u64('how many references are given back'),
})

export const fuse_dirent = structure('fuse_dirent', 24, 'An entry; its name follows, padded to 8 bytes.', {
  ino: u64('inode number'),
  off: u64('cookie to go on after this entry'),
  namelen: u32('bytes of the name'),
  type: u32('DT_*'),
})

export const fuse_statx_in = structure('fuse_statx_in', 24, 'STATX', {
  getattr_flags: u32(''),
  reserved: u32(''),
  fh: u64(''),
  sx_flags: u32('AT_STATX_*'),
  sx_mask: u32('STATX_*'),
})

export const fuse_statx_out = structure('fuse_statx_out', 288, 'Answers STATX.', {
  attr_valid: u64('how long they may be cached, seconds'),
  attr_valid_nsec: u32('and nanoseconds'),
  flags: u32('0'),
  spare: bytes(16, ''),
  mask: u32('STATX_* that are filled in'),
  blksize: u32('preferred size of requests'),
  attributes: u64('STATX_ATTR_*'),
  nlink: u32('names'),
  uid: u32('owner'),
  gid: u32('group'),
  mode: u32('type and permissions, 16 bits'),
  ino: u64('inode number'),
  size: u64('bytes'),
  blocks: u64('in units of 512 bytes'),
  attributes_mask: u64('STATX_ATTR_* that are supported'),
  atime: u64('seconds, signed'),
  atimensec: u32('nanoseconds'),
  atimepad: u32(''),
  btime: u64('seconds, signed'),
  btimensec: u32('nanoseconds'),
  btimepad: u32(''),
  ctime: u64('seconds, signed'),
  ctimensec: u32('nanoseconds'),
  ctimepad: u32(''),
  mtime: u64('seconds, signed'),
  mtimensec: u32('nanoseconds'),
  mtimepad: u32(''),
  rdev_major: u32('device number'),
  rdev_minor: u32(''),
  dev_major: u32(''),
  dev_minor: u32(''),
  spare2: bytes(112, ''),
})

/** STATX_BASIC_STATS and STATX_BTIME (statx(2)). */
export const STATX_ALL_KNOWN = 0xfff

export const fuse_init_in = structure('fuse_init_in', 64, 'INIT', {
  major: u32('protocol version'),
  minor: u32(''),
  max_readahead: u32('bytes'),
  flags: u32('what the kernel can do, bits 0 to 31'),
  flags2: u32('and 32 to 63'),
  unused: bytes(44, ''),
})

export const fuse_init_out = structure('fuse_init_out', 64, 'Answers INIT.', {
  major: u32('protocol version'),
  minor: u32(''),
  max_readahead: u32('bytes'),
  flags: u32('what is asked of the kernel, bits 0 to 31'),
  max_background: u32('requests in the background (low half) and the number at which it counts as congested'),
  max_write: u32('bytes of one WRITE'),
  time_gran: u32('nanoseconds between two times'),
  max_pages: u32('pages of one request (low half)'),
  flags2: u32('and 32 to 63'),
  unused: bytes(28, ''),
})

/** As FUSE_SETXATTR_EXT makes it. Kernels without that leave the last two fields out. */
export const fuse_setxattr_in = structure('fuse_setxattr_in', 16, 'SETXATTR; a name and a value follow.', {
  size: u32('bytes of the value'),
  flags: u32('XATTR_*'),
  setxattr_flags: u32('FUSE_SETXATTR_*'),
  padding: u32('0'),
})
export const FUSE_COMPAT_SETXATTR_IN_SIZE = 8

/** With an access ACL: clear set-group-ID, as the caller may not keep it. */
export const FUSE_SETXATTR_ACL_KILL_SGID = 1 << 0

export const fuse_getxattr_in = structure(
  'fuse_getxattr_in',
  8,
  'GETXATTR, where a name follows, and LISTXATTR.',
  {
    size: u32('bytes at the most; 0: tell how many'),
    padding: u32(''),
  },
)

export const fuse_getxattr_out = structure(
  'fuse_getxattr_out',
  8,
  'Answers GETXATTR and LISTXATTR that ask how many bytes there are.',
  {
    size: u32('bytes'),
    padding: u32(''),
  },
)

export const fuse_fallocate_in = structure('fuse_fallocate_in', 32, 'FALLOCATE', {
  fh: u64('file handle'),
  offset: u64('byte position'),
  length: u64('bytes'),
  mode: u32('FALLOC_FL_*'),
  padding: u32(''),
})

export const fuse_lseek_in = structure('fuse_lseek_in', 24, 'LSEEK', {
  fh: u64('file handle'),
  offset: u64('byte position'),
  whence: u32('SEEK_*'),
  padding: u32(''),
})

export const SEEK_DATA = 3
export const SEEK_HOLE = 4

export const fuse_lseek_out = structure('fuse_lseek_out', 8, 'Answers LSEEK.', {
  offset: u64('byte position'),
})

export const fuse_copy_file_range_in = structure(
  'fuse_copy_file_range_in',
  56,
  'COPY_FILE_RANGE and COPY_FILE_RANGE_64',
  {
    fh_in: u64('file handle of the source'),
    off_in: u64('byte position in the source'),
    nodeid_out: u64('inode of the destination'),
    fh_out: u64('file handle of the destination'),
    off_out: u64('byte position in the destination'),
    len: u64('bytes'),
    flags: u64('0'),
  },
)

/** COPY_FILE_RANGE is answered by a fuse_write_out, which are the same bytes. */
export const fuse_copy_file_range_out = structure(
  'fuse_copy_file_range_out',
  8,
  'Answers COPY_FILE_RANGE_64.',
  { bytes_copied: u64('bytes copied') },
)

export const fuse_ioctl_in = structure('fuse_ioctl_in', 32, 'IOCTL; what the caller passes follows.', {
  fh: u64('file handle'),
  flags: u32('FUSE_IOCTL_*'),
  cmd: u32('number of the call'),
  arg: u64("the caller's argument, an address"),
  in_size: u32('bytes that follow'),
  out_size: u32('bytes that the reply may have behind its struct'),
})

export const fuse_ioctl_out = structure(
  'fuse_ioctl_out',
  16,
  'Answers IOCTL; what the caller gets follows.',
  {
    result: u32('what ioctl(2) returns'),
    flags: u32('0'),
    in_iovs: u32('0'),
    out_iovs: u32('0'),
  },
)

/** In place of the errno in the header of a reply to no request. */
export const FUSE_NOTIFY_INVAL_INODE = 2

export const fuse_notify_inval_inode_out = structure(
  'fuse_notify_inval_inode_out',
  24,
  "An inode's attributes have changed, and its pages from an offset on.",
  {
    ino: u64('the inode'),
    off: u64('byte position; negative: no pages'),
    len: u64('bytes'),
  },
)

/** Bytes of the struct that follows the header, by opcode; names and data begin after it. */
export const structBytes: Int32Array = (() => {
  const table = new Int32Array(mostOpcodes)
  table[FUSE_SETATTR] = fuse_setattr_in.lengthBytes
  table[FUSE_MKNOD] = fuse_mknod_in.lengthBytes
  table[FUSE_MKDIR] = fuse_mkdir_in.lengthBytes
  table[FUSE_RENAME] = fuse_rename_in.lengthBytes
  table[FUSE_RENAME2] = fuse_rename2_in.lengthBytes
  table[FUSE_LINK] = fuse_link_in.lengthBytes
  table[FUSE_OPEN] = fuse_open_in.lengthBytes
  table[FUSE_CREATE] = fuse_create_in.lengthBytes
  table[FUSE_TMPFILE] = fuse_create_in.lengthBytes
  table[FUSE_READ] = fuse_read_in.lengthBytes
  table[FUSE_READDIR] = fuse_read_in.lengthBytes
  table[FUSE_READDIRPLUS] = fuse_read_in.lengthBytes
  table[FUSE_WRITE] = fuse_write_in.lengthBytes
  table[FUSE_FORGET] = fuse_forget_in.lengthBytes
  table[FUSE_BATCH_FORGET] = fuse_batch_forget_in.lengthBytes
  table[FUSE_STATX] = fuse_statx_in.lengthBytes
  table[FUSE_INIT] = fuse_init_in.lengthBytes
  table[FUSE_SETXATTR] = fuse_setxattr_in.lengthBytes
  table[FUSE_GETXATTR] = fuse_getxattr_in.lengthBytes
  table[FUSE_LISTXATTR] = fuse_getxattr_in.lengthBytes
  table[FUSE_IOCTL] = fuse_ioctl_in.lengthBytes
  table[FUSE_FALLOCATE] = fuse_fallocate_in.lengthBytes
  table[FUSE_LSEEK] = fuse_lseek_in.lengthBytes
  table[FUSE_COPY_FILE_RANGE] = fuse_copy_file_range_in.lengthBytes
  table[FUSE_COPY_FILE_RANGE_64] = fuse_copy_file_range_in.lengthBytes
  return table
})()

function nameOpcodes(numbers: Readonly<Record<string, number>>): (string | undefined)[] {
  const names: (string | undefined)[] = []
  for (const [name, number] of Object.entries(numbers)) names[number] = name
  return names
}
