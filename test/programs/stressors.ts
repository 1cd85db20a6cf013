// SPDX-License-Identifier: GPL-2.0-only
/** The stressors of stress-ng that use files, and what becomes of each in a directory. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { finish } from '../support/run-command.js'

/** Stressors of the class "filesystem" that need no file of the directory, or mount file systems of their own. */
const elsewhere = new Set(['bind-mount', 'binderfs', 'eventfd', 'ioprio', 'procfs'])

/** Stressors of other classes that use files of the directory, with the options that have them do so. */
const related: readonly (readonly [name: string, ...options: string[]])[] = [
  ['aio'],
  ['aiol'],
  ['fault'],
  ['io-uring'],
  ['landlock'],
  ['loop'],
  ['madvise'],
  ['mincore'],
  ['mmap', '--mmap-file', '--mmap-bytes', '16m'],
  ['mmapfork'],
  ['mmaphuge'],
  ['mmapmany'],
  ['msync', '--msync-bytes', '16m'],
  ['msyncmany'],
  ['readahead', '--readahead-bytes', '64m'],
  ['revio'],
  ['rmap'],
  ['seek', '--seek-punch'],
  ['sendfile'],
  ['splice'],
  ['stackmmap'],
  ['swap'],
  ['tee'],
  ['vm-splice'],
]

/** Stressors that find a limit of the kernel's FUSE, with the limit. */
export const bounded: ReadonlyMap<string, string> = new Map([
  ['fiemap', 'bounded by the kernel: FUSE has no `fiemap`'],
  ['swap', 'bounded by the kernel: no `fuse_bmap` without a block device'],
  ['verity', '`FS_IOC_ENABLE_VERITY` is not planned'],
])

/** Stressors that pass nowhere, with the reason. */
export const passNowhere: ReadonlyMap<string, string> = new Map([
  ['io-uring', 'the stressor asks for the attributes of a path that it has removed'],
])

export interface Stressor {
  readonly name: string
  readonly options: readonly string[]
}

/** All of them, in the order of their names. */
export async function findStressors(): Promise<Stressor[]> {
  const { output } = await finish('stress-ng', ['--class', 'filesystem?'])
  const [, list = ''] = /stressors: (.*)/.exec(output) ?? []
  const ofClass = list.split(' ').filter((name) => name !== '' && !elsewhere.has(name))
  return [
    ...ofClass.map((name) => ({ name, options: [] })),
    ...related.map(([name, ...options]) => ({ name, options })),
  ].sort((a, b) => (a.name < b.name ? -1 : 1))
}

export type Outcome = 'passes' | 'is skipped' | 'fails'

export interface Stressed {
  readonly outcome: Outcome
  readonly output: string
}

const limitMs = 90_000

/** Runs two processes of a stressor, which verify what they do, in a new directory within `parent`. */
export async function stress(stressor: Stressor, parent: string, seconds: number): Promise<Stressed> {
  const folder = join(parent, 'stress')
  await mkdir(folder)
  const { name, options } = stressor
  const common = ['--timeout', `${seconds}s`, '--verify', '--temp-path', folder]
  const { end, output } = await finish('stress-ng', [`--${name}`, '2', ...options, ...common], limitMs)
  await rm(folder, { recursive: true })
  return { outcome: judge(end, output), output: `ended with ${end}: ${output}` }
}

function judge(end: number | string, output: string): Outcome {
  if (/fail:|unexpectedly/.test(output)) return 'fails'
  if (/skipp|not supported/.test(output)) return 'is skipped'
  return end === 0 ? 'passes' : 'fails'
}
