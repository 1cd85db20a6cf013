// SPDX-License-Identifier: GPL-2.0-only
/** Options as node:fs takes them. An option that a call does not know is refused by its name, never passed over. */
import { integerOf } from './arguments.js'
import { invalidType, invalidValue, unknownEncoding } from './invalid-argument.js'

/** What a call was given, by the names that it knows. */
export type Options<Name extends string> = Partial<Record<Name, unknown>>

/**
 * @param call for the error
 * @param known names of the options that the call has
 * @param short which of them a string, or a number, in place of the options stands for
 * @throws TypeError
 */
export function optionsOf<Name extends string>(
  call: string,
  options: unknown,
  known: readonly Name[],
  short?: Name,
): Options<Name> {
  if (options === undefined || options === null) return {}
  const isShort = typeof options === 'string' || (typeof options === 'number' && short === 'mode')
  if (isShort && short !== undefined) return { [short]: options } as Options<Name>
  if (typeof options !== 'object')
    throw invalidType('options', short === undefined ? 'object' : 'string or object', options)
  const given = options as Record<string, unknown>
  for (const name in given) {
    if (given[name] !== undefined && !(known as readonly string[]).includes(name))
      throw invalidValue(`options.${name}`, `is not supported by ${call}`, given[name])
  }
  return given as Options<Name>
}

/** @returns null where there is none */
export function encodingOf(encoding: unknown): BufferEncoding | 'buffer' | null {
  if (encoding === undefined || encoding === null || encoding === '') return null
  if (encoding === 'buffer') return encoding
  if (typeof encoding !== 'string' || !Buffer.isEncoding(encoding))
    throw invalidValue('encoding', 'is invalid encoding', encoding)
  return encoding
}

/** An encoding of text, which 'buffer' is not. */
export function textEncodingOf(encoding: unknown): BufferEncoding | null {
  const known = encodingOf(encoding)
  if (known === 'buffer') throw unknownEncoding(known)
  return known
}

export function booleanOf(value: unknown, name: string): boolean {
  if (value === undefined) return false
  if (typeof value !== 'boolean') throw invalidType(`options.${name}`, 'boolean', value)
  return value
}

/**
 * Of rm and rmdir, which take neither null nor an array for options. Nothing here has to be tried again, so maxRetries
 * and retryDelay only have to be numbers that node:fs would take.
 */
export function removalOptionsOf<Name extends string>(
  call: string,
  options: unknown,
  known: readonly Name[],
): Options<Name> {
  if (options === null || Array.isArray(options)) throw invalidType('options', 'object', options)
  const given = optionsOf(call, options, [...known, 'maxRetries', 'retryDelay'])
  const { maxRetries, retryDelay }: Options<'maxRetries' | 'retryDelay'> = given
  if (maxRetries !== undefined) integerOf(maxRetries, 'options.maxRetries', 0, 2 ** 32 - 1)
  if (retryDelay !== undefined) integerOf(retryDelay, 'options.retryDelay', 0, 2 ** 31 - 1)
  return given
}

export function signalOf(signal: unknown): AbortSignal | undefined {
  if (signal === undefined) return undefined
  if (typeof signal !== 'object' || signal === null || !('aborted' in signal))
    throw invalidType('options.signal', 'AbortSignal', signal)
  return signal as AbortSignal
}

/** @throws AbortError */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return
  const error = new Error('The operation was aborted', { cause: signal.reason })
  throw Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' })
}
