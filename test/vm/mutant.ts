// SPDX-License-Identifier: GPL-2.0-only
/** The program with a change: a defect that only a power failure on real devices shows, or another way to do things. */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compile } from '../mutants/compile.js'
import { durability } from '../mutants/durability.js'
import type { Mutant } from '../mutants/mutant.js'
import { packageRoot } from '../support/program.js'
import { run } from '../support/run-command.js'

const limitMs = 120_000
const parts = ['bin', 'build/Release', 'dist/src', 'dist/layout', 'src', 'scripts', 'package.json']

/** Defects, and the kinds of devices that lose something by them. */
export const losers: Readonly<Record<string, readonly string[]>> = {
  // What lies in the page cache is lost.
  'fdatasync is left out': ['pmem', 'memmap'],
  // What ext4 knows of the blocks of a file is lost.
  'windows are mapped without MAP_SYNC': ['daxfile'],
}

/** What a change is: a text of a source, and what takes its place. */
export type Change = Omit<Mutant, 'tests' | 'hangs'>

/** @param name of one of test/mutants/durability.ts */
export function defectNamed(name: string): Change {
  const mutant = durability.find((mutant) => mutant.name === name)
  if (mutant === undefined) throw new Error(`there is no defect '${name}'`)
  return mutant
}

/** @param folder where to put it @returns the folder of the package */
export async function packageWith(mutant: Change, folder: string): Promise<string> {
  const copy = join(folder, mutant.name.replaceAll(' ', '-'))
  mkdirSync(copy)
  for (const part of parts) cpSync(join(packageRoot, part), join(copy, part), { recursive: true })
  symlinkSync(join(packageRoot, 'node_modules'), join(copy, 'node_modules'))
  const source = join(copy, mutant.file)
  const text = readFileSync(source, 'utf8')
  if (!text.includes(mutant.text)) throw new Error(`${mutant.file} does not have what is to be replaced`)
  const changed = text.replace(mutant.text, () => mutant.by)
  writeFileSync(source, changed)
  if (mutant.file.endsWith('.ts')) {
    writeFileSync(join(copy, 'dist', mutant.file.replace(/\.ts$/, '.js')), compile(changed))
  } else await run(process.execPath, [join(copy, 'scripts/build-native.js')], limitMs)
  await run(process.execPath, [join(copy, 'scripts/bundle.js')], limitMs)
  return copy
}
