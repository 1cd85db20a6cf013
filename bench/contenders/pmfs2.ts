// SPDX-License-Identifier: GPL-2.0-only
/** Our own mount, used as a person would: mkfs and mount by command line, on a file in /dev/shm. */
import { access, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BenchError, run } from '../command.js'
import type { Contender } from './contender.js'
import { isMounted, makeMountpoint, removeMountpoint } from './mountpoint.js'

const commandTimeoutMs = 30_000
const exitTimeoutMs = 5000

export function makePmfs2(packageRoot: string): Contender {
  const cli = join(packageRoot, 'bin/pmfs2-fuse.js')
  const pmfs2 = async (...args: string[]): Promise<void> => {
    await run(process.execPath, [cli, ...args], { timeoutMs: commandTimeoutMs })
  }
  let folder: string | undefined
  let mountpoint: string | undefined
  return {
    name: 'pmfs2',
    async start(cpu) {
      await access(cli).catch(() => {
        throw new BenchError(`${cli} is missing: npm run build; or leave it out: --only floor --only tmpfs`)
      })
      folder = await mkdtemp('/dev/shm/pmfs2-bench-')
      mountpoint = await makeMountpoint('pmfs2')
      const device = join(folder, 'device')
      await pmfs2('mkfs', device, '--size', '512M')
      // The floor's channel, so that the ratio is the server's alone.
      await pmfs2(
        device,
        mountpoint,
        '--channel',
        'devfuse',
        ...(cpu === undefined ? [] : ['--cpus', String(cpu)]),
      )
      return mountpoint
    },
    async stop() {
      if (mountpoint !== undefined) {
        // Where our own umount fails, the plain one below has still to leave nothing behind.
        if (await isMounted(mountpoint)) await pmfs2('umount', mountpoint).catch(() => undefined)
        await removeMountpoint(mountpoint)
        mountpoint = undefined
      }
      if (folder === undefined) return
      await endDaemon(folder)
      await rm(folder, { recursive: true, force: true })
      folder = undefined
    },
  }
}

/**
 * The daemon runs in the background and ends by itself after the unmount. One that does not is killed: it
 * is known by the path of our own device, which no other process has on its command line.
 */
async function endDaemon(folder: string): Promise<void> {
  const deadline = Date.now() + exitTimeoutMs
  let pids = await processesNaming(folder)
  while (pids.length > 0 && Date.now() < deadline) {
    await sleep(50)
    pids = await processesNaming(folder)
  }
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended in between.
    }
  }
}

async function processesNaming(text: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const named = await Promise.all(
    pids.map(async (pid) => {
      const commandLine = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')
      return commandLine.includes(text) ? pid : undefined
    }),
  )
  return named.filter((pid) => pid !== undefined)
}
