// SPDX-License-Identifier: GPL-2.0-only
/**
 * A process that measures what the size of a device costs: `mkfs` and mount of sparse files of 64 GiB and 1 TiB in
 * /dev/shm, over each channel with its default options. It prints the table of docs/design.md, and whether what must
 * hold does; its exit code is 1 where something does not. Needs root and python3. With PMFS2_MODULES=1 in the
 * environment, the commands run module by module:
 *
 *     node dist/bench/device-size.js [--rounds N]
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
import { queryDaemonOf } from '../src/daemon/control.js'
import { findMount, ownerOf } from '../src/daemon/mount-table.js'
import { findPackageRoot } from '../src/native/package-root.js'
import { switchRingOn } from '../test/support/ring-switch.js'
import { BenchError, run } from './command.js'
import { removeMountpoint } from './contenders/mountpoint.js'
import { ringObstacle } from './contenders/pmfs2.js'
import { endProcesses, peakResidentBytes } from './contenders/processes.js'
import { runInterruptibly } from './interruption.js'
import { requireRoot, systemFacts } from './machine.js'
import { checkRounds } from './options.js'
import { figures, quantitiesOf, verdicts } from './report/device-size.js'
import { type Channel, type Cost, type Turn, sizeTitles, sizes } from './workloads/device-sizes.js'
import { settleMs } from './workloads/memory.js'

const usualRounds = 5
const commandTimeoutMs = 60_000
const packageRoot = findPackageRoot(import.meta.dirname)
const node = process.execPath
const pmfs2 = [node, join(packageRoot, 'bin/pmfs2-fuse.js')]

const ring: Channel = { name: 'uring', title: 'io_uring', options: [] }
const devfuse: Channel = { name: 'devfuse', title: '/dev/fuse', options: ['--channel', 'devfuse'] }

type Plan = Pick<Turn, 'size' | 'channel' | 'number'>

async function costOf(line: readonly string[], signal: AbortSignal): Promise<Cost> {
  const script = join(packageRoot, 'bench/client/command-cost.py')
  const { stdout } = await run('python3', [script, ...line], { timeoutMs: commandTimeoutMs, signal })
  const [seconds, kibibytes] = stdout.trim().split(' ').map(Number)
  return { seconds: seconds!, megabytes: (kibibytes! * 1024) / 1e6 }
}

/**
 * What the server has had resident at most, in MB. The kernel and the server's socket are asked, not the mount, which
 * might not answer.
 */
async function serverPeak(mountpoint: string, channel: Channel): Promise<number> {
  const mount = findMount(mountpoint)
  const report = mount === null ? null : await queryDaemonOf(mount, ownerOf(mount))
  const pid = report?.pid ?? null
  if (report === null || pid === null) throw new BenchError(`the server of ${mountpoint} does not answer`)
  if (report.channel !== channel.name)
    throw new BenchError(`the mount is served over ${report.channel} in place of ${channel.name}`)
  return (await peakResidentBytes(pid)) / 1e6
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
    const serverMegabytes = await serverPeak(mountpoint, channel)
    return { ...plan, nodeSeconds, mkfs, mountSeconds: mount.seconds, serverMegabytes }
  } finally {
    await removeMountpoint(mountpoint)
    await endProcesses(folder)
    await rm(folder, { recursive: true })
  }
}

/** Every second round goes backwards, so that none always follows the same one. */
function planOf(rounds: number, channels: readonly Channel[]): readonly Plan[] {
  return Array.from({ length: rounds }, (_, round) => {
    const turns = channels.flatMap((channel, n) =>
      sizes.map((size) => ({ size, channel, number: round * channels.length + n })),
    )
    return round % 2 === 0 ? turns : turns.reverse()
  }).flat()
}

async function measure(
  rounds: number,
  channels: readonly Channel[],
  signal: AbortSignal,
): Promise<readonly Turn[]> {
  const folder = await mkdtemp(`/dev/shm/pmfs2-bench-${process.pid}-`)
  try {
    const turns: Turn[] = []
    const plan = planOf(rounds, channels)
    for (const [n, turn] of plan.entries()) {
      process.stderr.write(`${n + 1} of ${plan.length}: ${sizeTitles[turn.size]}, ${turn.channel.title}\n`)
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

async function main(rounds: number, signal: AbortSignal): Promise<number> {
  requireRoot('node dist/bench/device-size.js')
  const restoreRing = switchRingOn()
  try {
    const channels = await channelsHere()
    const turns = await measure(rounds, channels, signal)
    const quantities = quantitiesOf(channels, turns)
    const judged = verdicts(quantities, turns)
    const facts = Object.values(await systemFacts())
    console.log(`${[...facts, `rounds: ${rounds}`].join('; ')}\n`)
    console.log(`${figures(quantities, turns)}\n`)
    console.log(judged.table)
    return judged.allHold ? 0 : 1
  } finally {
    restoreRing?.()
  }
}

const { rounds } = await yargs(hideBin(process.argv))
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
  .check(({ rounds }) => checkRounds(rounds))
  .strict()
  .help()
  .version(false)
  .parseAsync()
process.exitCode = await runInterruptibly('device-size', (signal) => main(rounds, signal))
