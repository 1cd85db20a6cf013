// SPDX-License-Identifier: GPL-2.0-only
/** The mode as `ls -l` shows it, and types of directory entries. */
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
  S_ISUID,
  typeOfMode,
} from '../../fs/mode.js'

const types: readonly (readonly [mode: number, letter: string, name: string])[] = [
  [S_IFREG, '-', 'file'],
  [S_IFDIR, 'd', 'directory'],
  [S_IFLNK, 'l', 'symbolic link'],
  [S_IFIFO, 'p', 'fifo'],
  [S_IFSOCK, 's', 'socket'],
  [S_IFCHR, 'c', 'character device'],
  [S_IFBLK, 'b', 'block device'],
]
const sticky = 0o1000

/** Such as `drwxr-xr-x`; `?` for a type that there is not. */
export function modeText(mode: number): string {
  const letter = types.find(([type]) => type === (mode & S_IFMT))?.[1] ?? '?'
  return (
    letter +
    permissions(mode >>> 6, mode & S_ISUID, 's') +
    permissions(mode >>> 3, mode & S_ISGID, 's') +
    permissions(mode, mode & sticky, 't')
  )
}

/** @param type as st_mode >>> 12 */
export function typeText(type: number): string {
  return types.find(([mode]) => typeOfMode(mode) === type)?.[2] ?? `unknown (${type})`
}

function permissions(bits: number, special: number, letter: string): string {
  const execute = (bits & 1) !== 0
  const last = special ? (execute ? letter : letter.toUpperCase()) : execute ? 'x' : '-'
  return (bits & 4 ? 'r' : '-') + (bits & 2 ? 'w' : '-') + last
}
