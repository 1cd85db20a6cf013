// SPDX-License-Identifier: GPL-2.0-only
/** Error numbers as Linux has them (errno(3)); engine calls return them negated, as the kernel does. */

export const EPERM = 1
export const ENOENT = 2
export const EINTR = 4
export const EIO = 5
export const ENXIO = 6
export const E2BIG = 7
export const EBADF = 9
export const EAGAIN = 11
export const EACCES = 13
export const EBUSY = 16
export const EEXIST = 17
export const EXDEV = 18
export const ENODEV = 19
export const ENOTDIR = 20
export const EISDIR = 21
export const EINVAL = 22
export const ENOTTY = 25
export const EFBIG = 27
export const ENOSPC = 28
export const EROFS = 30
export const EMLINK = 31
export const ERANGE = 34
export const ENAMETOOLONG = 36
export const ENOSYS = 38
export const ENOTEMPTY = 39
export const ENODATA = 61
export const EPROTO = 71
export const ELOOP = 40
export const EOVERFLOW = 75
export const EILSEQ = 84
export const EOPNOTSUPP = 95
export const ECONNABORTED = 103
export const ESTALE = 116
/** The volume is damaged: "Structure needs cleaning". */
export const EUCLEAN = 117
