// SPDX-License-Identifier: GPL-2.0-only
/**
 * `umount`: unmounts, and waits until the server has put everything in order and let go of the device, so that the
 * next command of a script finds the device free and the file system clean. It does not wait for a server that has to
 * go on, because the file system is mounted at another place too.
 */
import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { getSystemErrorName } from 'node:util'
import createDebug from 'debug'
import type { CommandModule } from 'yargs'
import {
  type MountEntry,
  deviceNumber,
  findMount,
  mountType,
  readMountTable,
  realMountpoint,
} from '../daemon/mount-table.js'
import { native } from '../native/index.js'
import { isHeld } from '../pmem/device.js'
import { CommandError } from './command-error.js'

const debug = createDebug('pmfs2:cli')

/** linux/fs.h, for umount2(2) */
const MNT_DETACH = 2
const UMOUNT_NOFOLLOW = 8

/** How long a server may take to end; it has little to do, but the machine may be busy. */
const patienceMs = 30_000
/** A server that still answers after this long has not lost its mount. */
const answerMs = 3000
const stepMs = 10

/** umount(8): system error */
const exitSystem = 2
/** umount(8): no permission */
const exitPermission = 1

interface UmountArguments {
  readonly mountpoint: string
  readonly lazy: boolean
}

export const umountCommand: CommandModule<object, UmountArguments> = {
  command: 'umount <mountpoint>',
  describe: 'Unmount, and wait until all is on the device',
  builder: (parser) =>
    parser
      .positional('mountpoint', { type: 'string', demandOption: true, describe: 'Where it is mounted' })
      .option('lazy', {
        alias: 'l',
        type: 'boolean',
        default: false,
        describe: 'Take it out of sight now, even if it is in use; do not wait',
      })
      .example('$0 umount /mnt/pmfs2', 'unmount')
      .example('$0 umount --lazy /mnt/pmfs2', 'unmount what is still in use'),
  handler: umount,
}

async function umount({ mountpoint, lazy }: UmountArguments): Promise<void> {
  const path = realMountpoint(mountpoint)
  const mount = findMount(path)
  if (mount === null) throw new CommandError(`${mountpoint}: not mounted`)
  if (mount.type !== mountType) {
    throw new CommandError(
      `${mountpoint}: it is a mount of type ${mount.type}, not ${mountType}; use umount(8)`,
    )
  }
  const failure = process.getuid!() === 0 ? unmountAsRoot(path, lazy) : unmountAsUser(path, lazy)
  if (failure !== null) throw new CommandError(`${mountpoint}: ${failure.message}`, failure.exitCode)
  if (!lazy) await waitForServer(mount)
}

interface Failure {
  readonly message: string
  readonly exitCode: number | null
}

function unmountAsRoot(path: string, lazy: boolean): Failure | null {
  const result = native.umount(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0))
  if (result === 0) return null
  const code = getSystemErrorName(result)
  if (code === 'EBUSY') return { message: 'target is busy', exitCode: null }
  if (code === 'EINVAL') return { message: 'not mounted', exitCode: null }
  if (code === 'EPERM') return { message: 'no permission to unmount it', exitCode: exitPermission }
  return { message: `cannot be unmounted: ${code}`, exitCode: exitSystem }
}

function unmountAsUser(path: string, lazy: boolean): Failure | null {
  const program = 'fusermount3'
  const { status, error, stderr } = spawnSync(program, ['-u', ...(lazy ? ['-z'] : []), '--', path], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  })
  if (error !== undefined) {
    return {
      message: `${program}, which unmounts for those who are not root, does not run`,
      exitCode: exitSystem,
    }
  }
  if (status === 0) return null
  if (/busy/i.test(stderr)) return { message: 'target is busy', exitCode: null }
  return { message: stderr.trim().replaceAll('\n', ' ') || `${program} failed`, exitCode: exitPermission }
}

/** Returns once nobody holds the device, or once it is clear that the server goes on. */
async function waitForServer({ source, device }: MountEntry): Promise<void> {
  const elsewhere = readMountTable().find((entry) => entry.device === device)
  if (elsewhere !== undefined) {
    say(`${source} is still mounted at ${elsewhere.mountpoint}; its server goes on`)
    return
  }
  const start = performance.now()
  const waited = (): number => performance.now() - start
  while (isHeld(source)) {
    if (waited() > answerMs && (await isServing(device))) {
      say(`${source} is still mounted for others (in another mount namespace); its server goes on`)
      return
    }
    if (waited() > patienceMs) {
      const seconds = `after ${patienceMs / 1000} seconds`
      throw new CommandError(`${source}: it is unmounted, but ${seconds} its server still holds it`)
    }
    await sleep(stepMs)
  }
  debug('waited %d ms for the server', Math.round(waited()))
}

function say(line: string): void {
  console.error(`umount: ${line}`)
}

/** A server whose mount has ended answers no more, though it may still have to close the volume. */
async function isServing(device: string): Promise<boolean> {
  const { queryDaemonOf } = await import('../daemon/control.js')
  return (await queryDaemonOf(deviceNumber(device))) !== null
}
