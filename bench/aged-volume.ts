// SPDX-License-Identifier: GPL-2.0-only
/**
 * A process that ages a volume that is not mounted, and mounts it several times: DEVICE FILES. It makes about twice as
 * many files, every fiftieth of 4 MiB and the others empty, and removes every second one at random, by a fixed seed.
 * Blocks are allocated and not written, so that a sparse device stays small. What is left is a bitmap full of gaps. It
 * prints how long mounting takes then, by the default channel or the one named, and the most that the server had
 * resident. With 0 files, it mounts what is there. Needs root and python3. On 1 TiB (of which the files take three
 * quarters, and the device some 5 GiB of memory):
 *
 *     pmfs2-fuse mkfs aged.img --size 1T --sparse
 *     node dist/bench/aged-volume.js aged.img 10000000 [--mounts N] [--channel NAME]
 */
import { mkdir, mkdtemp, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { rootInode } from '../layout/inode.js'
import { openVolume } from '../src/api/opened-volume.js'
import { AllocationRequest } from '../src/fs/allocation-request.js'
import type { Engine } from '../src/fs/engine.js'
import { S_IFDIR, S_IFREG } from '../src/fs/mode.js'
import { Random } from '../test/support/random.js'
import { switchRingOn } from '../test/support/ring-switch.js'
import { FileMaker, must } from './contenders/file-maker.js'
import { removeMountpoint } from './contenders/mountpoint.js'
import { endProcesses, peakResidentBytes } from './contenders/processes.js'
import { runInterruptibly } from './interruption.js'
import { requireRoot, systemFacts } from './machine.js'
import { costOf, node, pmfs2, serverOf } from './mount-cost.js'
import { checkRounds } from './options.js'
import { ranged } from './report/device-size.js'
import { settleMs } from './workloads/memory.js'

const filesPerDirectory = 10_000
const largeBytes = 4 * 2 ** 20
const filesPerLarge = 50

class Ager {
  readonly #engine: Engine
  readonly #maker: FileMaker
  readonly #allocation = new AllocationRequest()
  readonly #random = new Random(1)

  constructor(engine: Engine) {
    this.#engine = engine
    this.#maker = new FileMaker(engine)
  }

  /** Makes a directory of so many files, and removes about half of them again. @returns how many are left */
  fillDirectory(name: string, count: number): number {
    const directory = this.#maker.make(rootInode, name, S_IFDIR | 0o755)
    for (let file = 0; file < count; file++) {
      const inode = this.#maker.make(directory, `f${file}`, S_IFREG | 0o644)
      if (file % filesPerLarge === 0) this.#allocate(inode, largeBytes)
      this.#engine.forget(inode, 1)
    }
    let left = count
    for (let file = 0; file < count; file++) {
      if (this.#random.below(2) === 0) continue
      this.#maker.remove(directory, `f${file}`)
      left--
    }
    this.#engine.forget(directory, 1)
    return left
  }

  #allocate(inode: number, bytes: number): void {
    this.#allocation.number = inode
    this.#allocation.setRange(0, bytes)
    must('fallocate', this.#engine.allocation.fallocate(this.#allocation))
  }
}

function age(device: string, files: number): void {
  const opened = openVolume(device, false)
  const engine = opened.volume.engine(0)
  engine.clock.setMilliseconds(Date.now())
  const ager = new Ager(engine)
  for (let made = 0, directory = 0; made < files; directory++) {
    const count = Math.min(filesPerDirectory, 2 * (files - made))
    made += ager.fillDirectory(`d${directory}`, count)
    if (directory % 100 === 0) process.stderr.write(`\r${made} of ${files} files`)
  }
  process.stderr.write('\n')
  opened.close()
}

interface MountCost {
  readonly nodeSeconds: number
  readonly seconds: number
  readonly peakBytes: number
  /** By what it was served. */
  readonly server: string
}

async function mountOnce(
  device: string,
  options: readonly string[],
  signal: AbortSignal,
): Promise<MountCost> {
  const folder = await mkdtemp(join(tmpdir(), 'pmfs2-bench-'))
  const mountpoint = join(folder, 'mount')
  await mkdir(mountpoint)
  try {
    const { seconds: nodeSeconds } = await costOf([node, '-e', '0'], signal)
    const { seconds } = await costOf([...pmfs2, device, mountpoint, ...options], signal)
    await sleep(settleMs)
    const { pid, channel, workers } = await serverOf(mountpoint)
    const peakBytes = await peakResidentBytes(pid)
    return { nodeSeconds, seconds, peakBytes, server: `${channel}, workers: ${workers}` }
  } finally {
    await removeMountpoint(mountpoint)
    await endProcesses(folder)
    await rmdir(folder)
  }
}

async function main(
  device: string,
  files: number,
  { mounts, channel }: { readonly mounts: number; readonly channel: string | undefined },
  signal: AbortSignal,
): Promise<number> {
  requireRoot('node dist/bench/aged-volume.js')
  if (files > 0) age(device, files)
  const restoreRing = channel === undefined ? switchRingOn() : null
  try {
    const options = channel === undefined ? [] : ['--channel', channel]
    const costs: MountCost[] = []
    for (let n = 0; n < mounts; n++) costs.push(await mountOnce(device, options, signal))
    console.log(Object.values(await systemFacts()).join('; '))
    const nodeSeconds = costs.map((cost) => cost.nodeSeconds)
    console.log(`\`node -e 0\`: ${ranged(nodeSeconds, 's')} s, the median of ${mounts}`)
    const seconds = costs.map((cost) => cost.seconds)
    console.log(`mount by ${costs[0]!.server}: ${ranged(seconds, 's')} s`)
    const mebibytes = Math.max(...costs.map(({ peakBytes }) => peakBytes)) / 2 ** 20
    console.log(`resident at most: ${mebibytes.toFixed(0)} MiB`)
    return 0
  } finally {
    restoreRing?.()
  }
}

const { device, files, mounts, channel } = await yargs(hideBin(process.argv))
  .scriptName('node dist/bench/aged-volume.js')
  .command('$0 <device> <files>', 'Ages a volume that is not mounted, and times mounts of it.', (command) =>
    command
      .positional('device', { type: 'string', demandOption: true, describe: 'A volume' })
      .positional('files', { type: 'number', demandOption: true, describe: 'How many files to leave on it' }),
  )
  .option('mounts', { type: 'number', requiresArg: true, default: 5, describe: 'How often to mount it' })
  .option('channel', { type: 'string', requiresArg: true, describe: 'As mount has it' })
  .check(({ files, mounts }) => {
    if (!Number.isInteger(files) || Number(files) < 0) throw new Error('files: a whole number is needed')
    return checkRounds(mounts, '--mounts')
  })
  .strict()
  .help()
  .version(false)
  .parseAsync()
process.exitCode = await runInterruptibly('aged-volume', (signal) =>
  main(String(device), Number(files), { mounts, channel }, signal),
)
