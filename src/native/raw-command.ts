// SPDX-License-Identifier: GPL-2.0-only
/**
 * Starting programs with arguments that are not UTF-8. Node encodes every argument as UTF-8, so such a command goes by
 * a shell, which makes the bytes of octal escapes and then becomes the program.
 */
import { kernelName } from './file-name.js'

/** What to hand to spawn(2)'s likes for `file args`. The process is that of the program in either case. */
export function rawCommand(file: string, args: readonly string[]): [file: string, args: readonly string[]] {
  const words = [file, ...args].map(kernelName)
  if (words.every((word) => typeof word === 'string')) return [file, args]
  // Command substitution drops newlines at the end, but not before the full stop.
  const lines = words.map((word, i) => `a${i}=$(printf '${octal(Buffer.from(word))}.')`)
  return ['/bin/sh', ['-c', [...lines, `exec ${words.map((_, i) => `"\${a${i}%.}"`).join(' ')}`].join('\n')]]
}

function octal(bytes: Uint8Array): string {
  return [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')
}
