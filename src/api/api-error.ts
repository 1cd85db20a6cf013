// SPDX-License-Identifier: GPL-2.0-only
/** Errors as node:fs throws them: with code, errno, syscall, and the path or paths in question. */
import { getSystemErrorMap } from 'node:util'
import { EIO, EUCLEAN } from '../fs/errno.js'
import { type BytePath, textOf } from './byte-path.js'

/** Node does not know it. */
const volumeDamaged = ['EUCLEAN', 'the volume is damaged'] as const

/** @param errno negative @param dest the second path of a call that has two */
export function apiError(
  errno: number,
  syscall: string,
  path?: BytePath,
  dest?: BytePath,
): NodeJS.ErrnoException {
  const known = errno === -EUCLEAN ? volumeDamaged : getSystemErrorMap().get(errno)
  const [code, message] = known ?? [`E${-errno}`, 'unknown error']
  const paths = {
    ...(path === undefined ? {} : { path: textOf(path) }),
    ...(dest === undefined ? {} : { dest: textOf(dest) }),
  }
  const where = Object.values(paths).map((text) => `'${text}'`)
  const said = [`${code}: ${message}, ${syscall}`, where.join(' -> ')].filter((part) => part !== '').join(' ')
  return Object.assign(new Error(said), { code, errno, syscall, ...paths })
}

/** @throws where an engine's call returned a negative errno */
export function check(result: number, syscall: string, path?: BytePath, dest?: BytePath): void {
  if (result < 0) throw apiError(result, syscall, path, dest)
}

/** What a call throws, with the damage that it has met, where it has met any. */
export function withDamage(error: unknown, what: string | null): unknown {
  const isDamage =
    error instanceof Error && 'errno' in error && (error.errno === -EUCLEAN || error.errno === -EIO)
  if (isDamage && what !== null) error.message += `: ${what}`
  return error
}
