// SPDX-License-Identifier: GPL-2.0-only
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from './program.js'

/** A constant of `src/native/`, which its header gives as a decimal number. */
export function nativeConstant(name: string, header = 'flush.h'): number {
  const text = readFileSync(join(packageRoot, 'src/native', header), 'utf8')
  const value = new RegExp(`^enum \\{ ${name} = (\\d+) \\};$`, 'm').exec(text)?.[1]
  if (value === undefined) throw new Error(`src/native/${header} has no constant ${name}`)
  return Number(value)
}
