// SPDX-License-Identifier: GPL-2.0-only
/** Errors about what a caller hands over, with the classes and codes that node:fs gives them. */
import { inspect } from 'node:util'

export function invalidType(name: string, wanted: string, value: unknown): Error {
  const message = `The "${name}" argument must be of type ${wanted}. ${received(value)}`
  return refusal(TypeError, 'ERR_INVALID_ARG_TYPE', message)
}

export function invalidValue(name: string, reason: string, value: unknown): Error {
  return refusal(TypeError, 'ERR_INVALID_ARG_VALUE', `The argument '${name}' ${reason}. ${received(value)}`)
}

export function outOfRange(name: string, wanted: string, value: unknown): Error {
  const message = `The value of "${name}" is out of range. It must be ${wanted}. ${received(value)}`
  return refusal(RangeError, 'ERR_OUT_OF_RANGE', message)
}

export function unknownEncoding(encoding: string): Error {
  return refusal(TypeError, 'ERR_UNKNOWN_ENCODING', `Unknown encoding: ${encoding}`)
}

export function invalidLinkType(type: string): Error {
  const message = `Symlink type must be one of "dir", "file", or "junction". ${received(type)}`
  return refusal(Error, 'ERR_FS_INVALID_SYMLINK_TYPE', message)
}

export function fileTooLarge(size: number): Error {
  const message = `File size (${size}) is greater than 2 GiB: open the file and read it in parts`
  return refusal(RangeError, 'ERR_FS_FILE_TOO_LARGE', message)
}

/** What node:fs says of rm on a directory without `recursive`. */
export function directoryIsNoFile(path: string): Error {
  const message = `Path is a directory: rm returned EISDIR (is a directory) ${path}`
  return Object.assign(refusal(Error, 'ERR_FS_EISDIR', message), {
    name: 'SystemError',
    errno: 21,
    syscall: 'rm',
    path,
  })
}

function received(value: unknown): string {
  return `Received ${inspect(value, { depth: 0, breakLength: Infinity })}`
}

function refusal(
  Kind: typeof Error | typeof RangeError | typeof TypeError,
  code: string,
  message: string,
): Error {
  return Object.assign(new Kind(message), { code })
}
