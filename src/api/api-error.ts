// SPDX-License-Identifier: GPL-2.0-only
/** Errors as node:fs throws them: with code, errno, syscall and path. */
import { getSystemErrorMap } from 'node:util'

/** @param errno negative */
export function apiError(errno: number, syscall: string, path: string): NodeJS.ErrnoException {
  const [code, message] = getSystemErrorMap().get(errno) ?? [`E${-errno}`, 'unknown error']
  return Object.assign(new Error(`${code}: ${message}, ${syscall} '${path}'`), { code, errno, syscall, path })
}
