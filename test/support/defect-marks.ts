// SPDX-License-Identifier: GPL-2.0-only
/** Whose files a server with a defect (defect.ts) fails on. */
export const marks = { uid: 0x5a17_c0de, gid: 0x5bad_cafe }
