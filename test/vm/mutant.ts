// SPDX-License-Identifier: GPL-2.0-only
/** The program with a defect that only a page cache which is lost can show: fdatasync(2) is left out. */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { durability } from '../mutants/durability.js'
import { packageRoot } from '../support/program.js'
import { run } from '../support/run-command.js'

const limitMs = 120_000

/** @param folder where to put it @returns the folder of the package */
export async function packageWithoutSync(folder: string): Promise<string> {
  const mutant = durability.find(({ name }) => name === 'fdatasync is left out')
  if (mutant === undefined) throw new Error('there is no such mutant')
  const copy = join(folder, 'without-sync')
  mkdirSync(copy)
  for (const part of [
    'bin',
    'build/Release',
    'dist/src',
    'dist/layout',
    'src/native',
    'scripts',
    'package.json',
  ])
    cpSync(join(packageRoot, part), join(copy, part), { recursive: true })
  symlinkSync(join(packageRoot, 'node_modules'), join(copy, 'node_modules'))
  const source = join(copy, mutant.file)
  const text = readFileSync(source, 'utf8')
  if (!text.includes(mutant.text)) throw new Error(`${mutant.file} does not have what is to be left out`)
  writeFileSync(
    source,
    text.replace(mutant.text, () => mutant.by),
  )
  await run(process.execPath, [join(copy, 'scripts/build-native.js')], limitMs)
  return copy
}
