// SPDX-License-Identifier: GPL-2.0-only
/**
 * `umount`: unmounts, and waits until the server has put everything in order and let go of the device, so that the
 * next command of a script finds the device free and the file system clean. It does not wait for a server that has to
 * go on, because the file system is mounted at another place too.
 */
import { closeSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import createDebug from 'debug'
import type { CommandModule } from 'yargs'
import { findHolder, holderText, releaseAdvice } from '../daemon/holder.js'
import {
  type MountEntry,
  findMount,
  findMountBySource,
  findOurMount,
  isOf,
  mountType,
  ownerOf,
  readMountTable,
} from '../daemon/mount-table.js'
import { type ServerState, complaintOf, processOf, serverState, silenceOf } from '../daemon/server-state.js'
import { unmount } from '../daemon/unmount.js'
import { isHeld } from '../pmem/device.js'
import { statOf } from '../pmem/probe.js'
import { CommandError } from './command-error.js'
import { devicesNamed, reachable } from './operand.js'
import { printNotice } from './output.js'
import { mountOfDevice, openLocked } from './served-device.js'

const debug = createDebug('pmfs2:cli')

/** How long a server may take to end; it has little to do, but the machine may be busy. */
const patienceMs = 30_000
/** A server that still answers after this long has not lost its mount, unless the kernel has. */
const answerMs = 3000
const stepMs = 10

interface UmountArguments {
  readonly mountpoint: string
  readonly lazy: boolean
}

export const umountCommand: CommandModule<object, UmountArguments> = {
  command: 'umount <mountpoint>',
  describe: 'unmount, and wait for the server to release the device',
  builder: (parser) =>
    parser
      .positional('mountpoint', {
        type: 'string',
        demandOption: true,
        describe: 'where it is mounted, a device of the volume, UUID=… or LABEL=…',
      })
      .option('lazy', {
        alias: 'l',
        type: 'boolean',
        default: false,
        describe: 'detach now, even if in use, and do not wait',
      })
      .example('$0 umount /mnt/pmfs2', 'unmount')
      .example('$0 umount /dev/pmem0', 'unmount what is on a device, where it was mounted last')
      .example('$0 umount --lazy /mnt/pmfs2', 'unmount what is still in use'),
  handler: umount,
}

async function umount({ mountpoint: target, lazy }: UmountArguments): Promise<void> {
  const mount = await mountAt(target)
  if (lazy) {
    unmountOrRefuse(mount, target, true)
    return
  }
  const server = await serverState(mount)
  refuseStopped(mount, server)
  const connection = connectionOf(mount)
  const locked = openLocked(processOf(server))
  try {
    unmountOrRefuse(mount, target, false)
    if (server.state === 'dead') return
    const paths = locked.map((fd) => `/proc/self/fd/${fd}`)
    await waitForServer(mount, paths.length > 0 ? paths : [mount.source], connection)
  } finally {
    locked.forEach((fd) => closeSync(fd))
  }
}

/** @throws CommandError */
function unmountOrRefuse({ mountpoint }: MountEntry, target: string, lazy: boolean): void {
  const failure = unmount(mountpoint, lazy)
  if (failure !== null) throw new CommandError(`${target}: ${failure.message}`, failure.exitCode)
}

async function mountAt(target: string): Promise<MountEntry> {
  // For a mount point no other server is asked, which may hang.
  const mount = target === '' ? null : findOurMount(target)
  if (mount !== null) return mount
  const [device] = (await devicesNamed(target)) as [string]
  let place: string
  try {
    place = await reachable(device)
  } catch (error) {
    // The path cannot be followed. A mount whose device had this name is meant.
    const named = findMountBySource(device)
    if (named === null) throw error
    return named
  }
  return (await mountOfDevice(device)) ?? refuse(target, device, place)
}

/**
 * To unmount may mean to write pages, which waits for the server, without an end if that is stopped. One that cannot be
 * heard here (in another network namespace, say) may be well.
 */
function refuseStopped(mount: MountEntry, server: ServerState): void {
  if (server.state !== 'silent') return
  const { mountpoint } = mount
  if (server.isStopped) throw new CommandError(`${mountpoint}: ${complaintOf(server)}`)
  say(
    `${mountpoint}: ${silenceOf(server.pid)}; it is unmounted all the same, which may wait for the server (umount --lazy does not)`,
  )
}

/** @throws CommandError */
function refuse(target: string, device: string, place: string): never {
  const other = findMount(place)
  if (other === null) {
    const holder = findHolder(device)
    if (holder === null) {
      const where = isHeld(device) ? ' here; it is in use by a process that is not visible here' : ''
      const named = findMountBySource(device)
      const other = named === null ? '' : `; what is mounted at ${named.mountpoint} had this name`
      throw new CommandError(`${target}: not mounted${where}${other}`)
    }
    throw new CommandError(
      `${target}: not mounted here; it is in use by ${holderText(holder)}: ${releaseAdvice(holder)}`,
    )
  }
  throw new CommandError(`${target}: it is a mount of type ${other.type}, not ${mountType}; use umount(8)`)
}

/**
 * The directory of its FUSE connection, which lasts as long as any mount namespace has the file system
 * (Documentation/filesystems/fuse/fuse.rst). @returns null where fusectl is not mounted
 */
function connectionOf({ device }: MountEntry): string | null {
  const place = join('/sys/fs/fuse/connections', device.slice(device.indexOf(':') + 1))
  return existsSync(place) ? place : null
}

/**
 * Returns once nobody holds the devices, or once it is clear that the server goes on.
 * @param paths lead to devices of the server
 */
async function waitForServer(
  mount: MountEntry,
  paths: readonly string[],
  connection: string | null,
): Promise<void> {
  const { source } = mount
  const elsewhere = readMountTable().find((entry) => isOf(entry, mount))
  if (elsewhere !== undefined) {
    say(`${source} is still mounted at ${elsewhere.mountpoint}; its server goes on`)
    return
  }
  if (paths.every((path) => statOf(path) === null)) {
    say(`${source} no longer has this name; its server may still hold it`)
    return
  }
  const start = performance.now()
  const waited = (): number => performance.now() - start
  for (let held = paths.find(isHeld); held !== undefined; held = paths.find(isHeld)) {
    const mayGoOn = connection === null || existsSync(connection)
    if (waited() > answerMs && mayGoOn && (await isServing(mount))) {
      const holder = findHolder(held)
      const server = holder === null ? 'its server' : `its server, process ${holder.pid},`
      say(`${source} is still mounted for others (in another mount namespace); ${server} goes on`)
      return
    }
    if (waited() > patienceMs) {
      const seconds = `after ${patienceMs / 1000} seconds`
      const holder = findHolder(held)
      const server = holder === null ? 'its server' : holderText(holder)
      throw new CommandError(`${source}: it is unmounted, but ${seconds} ${server} still holds it`)
    }
    await sleep(stepMs)
  }
  debug('waited %d ms for the server', Math.round(waited()))
}

function say(line: string): void {
  printNotice('umount', line)
}

/** A server whose mount has ended answers no more, though it may still have to close the volume. */
async function isServing(mount: MountEntry): Promise<boolean> {
  const { queryDaemonOf } = await import('../daemon/control.js')
  return (await queryDaemonOf(mount, ownerOf(mount))) !== null
}
