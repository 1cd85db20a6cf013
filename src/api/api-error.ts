// SPDX-License-Identifier: GPL-2.0-only
/** Errors as node:fs throws them: with code, errno, syscall and path. */
import { getSystemErrorMap } from 'node:util'
import { EUCLEAN } from '../fs/errno.js'

/** Node does not know it. */
const volumeDamaged = ['EUCLEAN', 'the volume is damaged'] as const

/** @param errno negative */
export function apiError(errno: number, syscall: string, path: string): NodeJS.ErrnoException {
  const known = errno === -EUCLEAN ? volumeDamaged : getSystemErrorMap().get(errno)
  const [code, message] = known ?? [`E${-errno}`, 'unknown error']
  return Object.assign(new Error(`${code}: ${message}, ${syscall} '${path}'`), { code, errno, syscall, path })
}

/** What a call throws, with the damage that it has met, where it has met any. */
export function withDamage(error: unknown, what: string | null): unknown {
  const isDamage = error instanceof Error && 'errno' in error && error.errno === -EUCLEAN
  if (isDamage && what !== null) error.message += `: ${what}`
  return error
}
