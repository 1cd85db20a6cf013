// SPDX-License-Identifier: GPL-2.0-only
/**
 * Where the other devices of a volume may be: files lie in the same directory as the file that was named; block devices
 * and devdax devices are known to the kernel. Files elsewhere have to be named.
 */
import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  realpathSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { deviceHeader, headerMagicHigh, headerMagicLow } from '../../layout/device-header.js'
import { kernelName, nameOf } from '../native/file-name.js'
import { namesIn, statOf } from '../pmem/probe.js'
import type { UnseenDevices } from './unseen-devices.js'

/** Places to look at, those that are likelier first; a later group is not looked at where an earlier one has all. */
export type Search = (named: readonly string[], unseen: UnseenDevices) => Iterable<Iterable<string>>

/** Diskettes and optical discs: looking at a drive takes long. */
const passed = /^(?:fd|sr)\d/

export function* placesNear(named: readonly string[], unseen: UnseenDevices): Generator<Iterable<string>> {
  yield filesBeside(named, unseen)
  yield machineDevices()
}

/** Searches nowhere: all devices are named. */
export function nowhere(): Iterable<Iterable<string>> {
  return []
}

/** Block devices that nothing is stacked upon, and devdax devices. */
export function machineDevices(): string[] {
  const blocks = readFileSync('/proc/partitions', 'utf8')
    .split('\n')
    .flatMap((line) => /^ *\d+ +\d+ +[1-9]\d* +(\S+)$/.exec(line)?.[1] ?? [])
    .filter((name) => !passed.test(name) && namesIn(`/sys/class/block/${name}/holders`).length === 0)
    // The kernel writes a slash of a name so.
    .map((name) => name.replaceAll('!', '/'))
  const devdax = namesIn('/dev').filter((name) => /^dax\d+\.\d+$/.test(name))
  return [...blocks, ...devdax].map((name) => `/dev/${name}`).filter((path) => statOf(path) !== null)
}

/** Regular files that begin as a device of a volume does, in the directories of the files that were named. */
function* filesBeside(named: readonly string[], unseen: UnseenDevices): Generator<string> {
  const files = named.filter((path) => statOf(path)?.isFile() === true)
  const folders = new Set(files.flatMap((path) => [dirname(path), dirname(realName(path))]))
  for (const folder of folders) {
    for (const name of namesBeside(folder, unseen)) {
      const path = join(folder, name)
      if (beginsAsDevice(path, unseen)) yield path
    }
  }
}

function namesBeside(folder: string, unseen: UnseenDevices): string[] {
  try {
    return readdirSync(kernelName(folder), 'buffer').map(nameOf)
  } catch (error) {
    unseen.add(folder, error)
    return []
  }
}

function realName(path: string): string {
  return nameOf(realpathSync.native(kernelName(path), 'buffer'))
}

/** Opens nothing but regular files: a link may lead into a mount that hangs, and a FIFO waits for its writer. */
function beginsAsDevice(path: string, unseen: UnseenDevices): boolean {
  const name = kernelName(path)
  const words = new Uint32Array(2)
  let fd: number | null = null
  try {
    if (!lstatSync(name).isFile()) return false
    fd = openSync(name, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    readSync(fd, words, 0, words.byteLength, deviceHeader.word.magicLow * 4)
    return words[0] === headerMagicLow && words[1] === headerMagicHigh
  } catch (error) {
    unseen.add(path, error)
    return false
  } finally {
    if (fd !== null) closeSync(fd)
  }
}
