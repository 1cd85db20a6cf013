// SPDX-License-Identifier: GPL-2.0-only
/** Many files made, listed, renamed and removed by a small client in C: in one directory, and in a tree. */
import { BenchError, run } from '../command.js'
import { compile, compiled } from '../compile.js'
import type { Filling } from '../contenders/contender.js'
import type { Metric, Settings } from '../results.js'
import { type Workload, commonFiles } from './workload.js'

const timeoutMs = 180_000
const filesPerDirectory = 100

const metrics: readonly Metric[] = [
  { name: 'create', title: 'create', unit: 'files/s' },
  { name: 'stat', title: '`ls -l`', unit: 'files/s' },
  { name: 'readdir', title: 'readdir', unit: 'files/s' },
  { name: 'rename', title: 'rename', unit: 'files/s' },
  { name: 'unlink', title: 'unlink', unit: 'files/s' },
]

/** Lists are read with nothing about the names in the kernel's caches. */
const phases = ['create', 'drop', 'stat', 'drop', 'readdir', 'rename', 'unlink']

export const filesFlat = filesWorkload(
  'files-flat',
  'files in one directory',
  ({ files }) => files,
  ({ files }) => `${files.toLocaleString('en')} empty files in one directory`,
)

export const filesTree = filesWorkload(
  'files-tree',
  'files in a tree',
  () => filesPerDirectory,
  ({ files }) =>
    `${files.toLocaleString('en')} empty files, ${filesPerDirectory} to a directory, two levels deep; ` +
    'directories are made and removed, too',
)

function filesWorkload(
  name: string,
  title: string,
  perDirectory: (settings: Settings) => number,
  what: (settings: Settings) => string,
): Workload {
  return {
    name,
    title,
    metrics,
    text: (settings) =>
      `${what(settings)}, one call after the other (\`bench/client/files-client.c\`); the kernel's cache of names is dropped before each listing`,
    suits: ({ holdsFiles }) => holdsFiles,
    guessSeconds: ({ files }) => files / 1500,
    async run({ contender, session, settings, packageRoot, signal }) {
      const { directory } = await session.common(contender, commonFiles, undefined)
      const count = [String(settings.files), String(perDirectory(settings))]
      await compile(packageRoot, 'files-client')
      const client = compiled(packageRoot, 'files-client')
      const { stdout } = await run(client, [directory, ...count, ...phases], { timeoutMs, signal })
      return filesPerSecond(stdout, settings.files)
    },
  }
}

/** Exported for its test. @param stdout of the client: a line for each phase that it timed @throws BenchError */
export function filesPerSecond(stdout: string, files: number): Record<string, number> {
  const lines = stdout.trim().split('\n')
  return Object.fromEntries(
    lines.map((line) => {
      const [phase = '', seconds = ''] = line.split(' ')
      if (!(Number(seconds) > 0)) throw new BenchError(`files-client said ${JSON.stringify(line)}`)
      return [phase, files / Number(seconds)]
    }),
  )
}

/** Makes files below a directory, untimed. The client keeps to one processor, which is quicker over FUSE. */
export async function makeFiles(
  packageRoot: string,
  directory: string,
  { files, filesPerDirectory, signal }: Omit<Filling, 'make'>,
): Promise<void> {
  await compile(packageRoot, 'files-client')
  const client = compiled(packageRoot, 'files-client')
  const args = ['-c', '0', client, directory, String(files), String(filesPerDirectory), 'create']
  await run('taskset', args, { timeoutMs: 10 * timeoutMs, signal })
}

/** Has the kernel forget the names that it knows of a mount. */
export async function dropNames(packageRoot: string, directory: string, signal: AbortSignal): Promise<void> {
  await compile(packageRoot, 'files-client')
  const args = [directory, '1', '1', 'drop']
  await run(compiled(packageRoot, 'files-client'), args, { timeoutMs, signal })
}
