// SPDX-License-Identifier: GPL-2.0-only
/** Error numbers as Linux has them (errno(3)); engine calls return them negated, as the kernel does. */

declare const errnoBrand: unique symbol
export type Errno = number & { readonly [errnoBrand]: true }

export const EPERM = 1 as Errno
export const ENOENT = 2 as Errno
export const EIO = 5 as Errno
export const EEXIST = 17 as Errno
export const EXDEV = 18 as Errno
export const ENOTDIR = 20 as Errno
export const EISDIR = 21 as Errno
export const EINVAL = 22 as Errno
export const EFBIG = 27 as Errno
export const ENOSPC = 28 as Errno
export const EROFS = 30 as Errno
export const EMLINK = 31 as Errno
export const ENAMETOOLONG = 36 as Errno
export const ENOSYS = 38 as Errno
export const ENOTEMPTY = 39 as Errno
export const EPROTO = 71 as Errno
export const EOPNOTSUPP = 95 as Errno
export const ESTALE = 116 as Errno
