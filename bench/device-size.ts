// SPDX-License-Identifier: GPL-2.0-only
/**
 * A process that measures what the size of a device costs: `mkfs` and mount of sparse files of 64 GiB and 1 TiB in
 * /dev/shm, over each channel with its default options. It prints tables of docs/design.md, and whether what must hold
 * does; its exit code is 1 where something does not. Needs root and python3. With PMFS2_MODULES=1 in the environment,
 * the commands run module by module. With numbers of workers, it measures the memory of servers that have as many, on
 * sparse files of 1 GiB, too, and prints the table of that:
 *
 *     node dist/bench/device-size.js [--rounds N] [--workers N,N...]
 *
 * Sizes and channels take turns, each on a new file, so that whatever else the machine does falls on all alike. As the
 * start of Node differs from machine to machine, each turn begins with one, and their median is subtracted.
 * Memory is the most that was resident at any time, with the pages of the device that were touched.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import yargs from 'yargs'
import { hideBin } from 'yargs/helpers'
import { switchRingOn } from '../test/support/ring-switch.js'
import { BenchError } from './command.js'
import { removeMountpoint } from './contenders/mountpoint.js'
import { ringObstacle } from './contenders/pmfs2.js'
import { endProcesses, peakResidentBytes, proportionalMebibytes } from './contenders/processes.js'
import { runInterruptibly } from './interruption.js'
import { requireRoot, systemFacts } from './machine.js'
import { costOf, node, pmfs2, serverOf } from './mount-cost.js'
import { checkRounds } from './options.js'
import { figures, quantitiesOf, startOfNode, verdicts } from './report/device-size.js'
import { memoryTable } from './report/server-memory.js'
import {
  type Channel,
  type Size,
  type Turn,
  memorySizes,
  sizeTitles,
  sizes,
} from './workloads/device-sizes.js'
import { settleMs } from './workloads/memory.js'

const usualRounds = 5
const bytesPerMegabyte = 1e6

const how = process.env['PMFS2_MODULES'] === '1' ? ', module by module' : ''
const ring: Channel = { name: 'uring', title: `io_uring${how}`, options: [] }
const devfuse: Channel = { name: 'devfuse', title: `\`/dev/fuse\`${how}`, options: ['--channel', 'devfuse'] }

type Plan = Pick<Turn, 'size' | 'channel' | 'number'>

type ServerCost = Pick<Turn, 'serverMegabytes' | 'idleMegabytes' | 'workers'>

/** Of a server that is idle. @param folder has its device */
async function serverCost(folder: string, mountpoint: string, channel: Channel): Promise<ServerCost> {
  const { pid, channel: served, workers } = await serverOf(mountpoint)
  if (served !== channel.name)
    throw new BenchError(`the mount is served over ${served} in place of ${channel.name}`)
  const idleMebibytes = await proportionalMebibytes(pid, folder)
  return {
    serverMegabytes: (await peakResidentBytes(pid)) / bytesPerMegabyte,
    idleMegabytes: (idleMebibytes * 2 ** 20) / bytesPerMegabyte,
    workers,
  }
}

/** In a folder of its own, of which nothing is left. */
async function takeTurn(folder: string, plan: Plan, signal: AbortSignal): Promise<Turn> {
  const { size, channel } = plan
  const device = join(folder, 'device')
  const mountpoint = join(folder, 'mount')
  await mkdir(mountpoint, { recursive: true })
  try {
    const { seconds: nodeSeconds } = await costOf([node, '-e', '0'], signal)
    const mkfs = await costOf([...pmfs2, 'mkfs', device, '--size', size, '--sparse'], signal)
    const mount = await costOf([...pmfs2, device, mountpoint, ...channel.options], signal)
    // For what the server still does once it is mounted.
    await sleep(settleMs)
    const server = await serverCost(folder, mountpoint, channel)
    return { ...plan, nodeSeconds, mkfs, mountSeconds: mount.seconds, ...server }
  } finally {
    await removeMountpoint(mountpoint)
    await endProcesses(folder)
    await rm(folder, { recursive: true })
  }
}

/** Every second round goes backwards, so that none always follows the same one. */
function planOf(rounds: number, channels: readonly Channel[], sizes: readonly Size[]): readonly Plan[] {
  return Array.from({ length: rounds }, (_, round) => {
    const turns = channels.flatMap((channel, n) =>
      sizes.map((size) => ({ size, channel, number: round * channels.length + n })),
    )
    return round % 2 === 0 ? turns : turns.reverse()
  }).flat()
}

async function measure(plan: readonly Plan[], signal: AbortSignal): Promise<readonly Turn[]> {
  const folder = await mkdtemp(`/dev/shm/pmfs2-bench-${process.pid}-`)
  try {
    const turns: Turn[] = []
    for (const [n, turn] of plan.entries()) {
      const { size, channel } = turn
      const workers = channel.workers === undefined ? '' : `, workers: ${channel.workers}`
      process.stderr.write(`${n + 1} of ${plan.length}: ${sizeTitles[size]}, ${channel.title}${workers}\n`)
      turns.push(await takeTurn(join(folder, String(n)), turn, signal))
    }
    return turns
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Those that this kernel has. */
async function channelsHere(): Promise<readonly Channel[]> {
  const obstacle = await ringObstacle()
  if (obstacle === undefined) return [ring, devfuse]
  process.stderr.write(`${ring.title} is left out: ${obstacle}\n`)
  return [devfuse]
}

async function compareSizes(
  rounds: number,
  channels: readonly Channel[],
  signal: AbortSignal,
): Promise<boolean> {
  const turns = await measure(planOf(rounds, channels, sizes), signal)
  const quantities = quantitiesOf(channels, turns)
  const judged = verdicts(quantities, turns)
  console.log(`${startOfNode(turns)}\n`)
  console.log(`${figures(quantities, turns, 's')}\n`)
  console.log(`${figures(quantities, turns, 'MB')}\n`)
  console.log(judged.table)
  return judged.allHold
}

/** The same channel with each number of workers. */
function withWorkers(channel: Channel, counts: readonly number[]): readonly Channel[] {
  return counts.map((workers) => ({
    ...channel,
    options: [...channel.options, '--workers', String(workers)],
    workers,
  }))
}

async function main(rounds: number, counts: readonly number[], signal: AbortSignal): Promise<number> {
  requireRoot('node dist/bench/device-size.js')
  const restoreRing = switchRingOn()
  try {
    const channels = await channelsHere()
    const facts = Object.values(await systemFacts())
    console.log(`${[...facts, `rounds: ${rounds}`].join('; ')}\n`)
    if (counts.length === 0) return (await compareSizes(rounds, channels, signal)) ? 0 : 1
    const chosen = channels.flatMap((channel) => withWorkers(channel, counts))
    console.log(memoryTable(chosen, await measure(planOf(rounds, chosen, memorySizes), signal)))
    return 0
  } finally {
    restoreRing?.()
  }
}

/** For yargs. @throws Error with what to do about it */
function countsOf(list: string): readonly number[] {
  const counts = list.split(',').map(Number)
  if (counts.every((count) => Number.isInteger(count) && count >= 1)) return counts
  throw new Error('--workers is a list of whole numbers from 1, such as 1,2,4,8')
}

const { rounds, workers } = await yargs(hideBin(process.argv))
  .scriptName('node dist/bench/device-size.js')
  .usage(
    '$0 [options]\n\nMeasures mkfs and mount of sparse files of 64 GiB and 1 TiB. Needs root and python3.',
  )
  .option('rounds', {
    type: 'number',
    requiresArg: true,
    default: usualRounds,
    describe: 'How often each is measured',
  })
  .option('workers', {
    type: 'string',
    requiresArg: true,
    coerce: countsOf,
    describe: 'Measure the memory of servers that have so many workers: 1,2,4,8',
  })
  .check(({ rounds }) => checkRounds(rounds))
  .strict()
  .help()
  .version(false)
  .parseAsync()
process.exitCode = await runInterruptibly('device-size', (signal) => main(rounds, workers ?? [], signal))
