// SPDX-License-Identifier: GPL-2.0-only
/**
 * The file systems that the conformance suite runs on, each freshly made, mounted, and gone afterwards.
 *
 * tmpfs and ext4 judge the suite: what fails there is a wrong test. What a target does not support stands in
 * its `lacks`, and the suite asserts exactly that refusal, so that no gap stays silent and none stays listed
 * after it was closed.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, rm, rmdir, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findPackageRoot } from '../../src/native/package-root.js'
import { isHeld } from '../../src/pmem/device.js'
import { type DeviceCount, deviceSizesFor, usualDevices } from './device-count.js'
import { isKernelFrom } from './kernel.js'
import { finish, run, withoutRunner } from './run-command.js'
import { System } from './system.js'
import { makeTemporary, SHARED_MEMORY, type TearsDown } from './temporary.js'
import { until } from './until.js'
import { whenGone } from './when-gone.js'

/** What not every file system has, with what the suite then expects instead. */
export interface Lacks {
  /** fallocate(2) with FALLOC_FL_ZERO_RANGE: its errno. */
  readonly zeroRange?: string
  /** Values of extended attributes of more than a block: the errno of setxattr(2). */
  readonly largeXattr?: string
  /** Flags of inodes beyond append, immutable, noatime and nodump: the errno of FS_IOC_SETFLAGS. */
  readonly syncFlags?: string
  /** Projects: the errno of FS_IOC_FSSETXATTR. */
  readonly projects?: string
  /** Generations of inodes: the errno of FS_IOC_GETVERSION. */
  readonly generations?: string
  /** What open(2) gives for writing to a file whose flags forbid that, in place of EPERM; writing itself is refused. */
  readonly guardedOpen?: string
  /** What write(2) gives to a file that was open before its flags forbade that. */
  readonly writeToGuarded?: string
  /** The kernel gathers writes: until the file is closed, no block is counted for them, and reads are not noted. */
  readonly writeThrough?: true
  /** Id-mapped mounts: the errno of mount_setattr(2). */
  readonly idMappedMounts?: string
  /** The time of birth: the errno in its place where statx(2) gives none. */
  readonly birthTime?: string
  /** Times finer than the kernel's tick: two changes within a tick have the same one. */
  readonly fineTimes?: true
}

export interface Target {
  readonly name: string
  /** Where the file system is mounted; its root directory has mode 0755. */
  readonly directory: string
  readonly lacks: Lacks
  /** Makes the suite's system calls, as root. */
  readonly system: System
  /** Unmounts, checks the medium where there is a checker, and deletes. Throws what the checker found. */
  release(): Promise<void>
}

interface Recipe {
  readonly name: string
  readonly lacks: Lacks
  /** Mounts at `directory`; what lies on a medium is put into the file `medium`. */
  mount(medium: string, directory: string): Promise<void>
  unmount(directory: string): Promise<void>
  check(medium: string): Promise<void>
}

const volumeBytes = 2 ** 30
const ROOT = findPackageRoot(dirname(fileURLToPath(import.meta.url)))
const COMMAND = join(ROOT, 'bin', 'pmfs2-fuse.js')
const EXAMPLE = join(ROOT, 'dist', 'examples', 'memory.js')
const runPmfs2 = (args: readonly string[], limitMs?: number) =>
  run('env', [...withoutRunner, process.execPath, COMMAND, ...args], limitMs)
const pmfs2Command = (...args: readonly string[]) => runPmfs2(args)
const umount = async (directory: string): Promise<void> => {
  await run('umount', [directory])
}

/** Since Linux 6.13, its own file systems have them (FS_MGTIME). */
const kernelTimes: Lacks = isKernelFrom(6, 13) ? {} : { fineTimes: true }
/** FUSE has them from these versions on: FUSE_STATX, FUSE_ALLOW_IDMAP. */
const kernelOfFuse: Lacks = {
  ...(isKernelFrom(6, 6) ? {} : { birthTime: 'EOPNOTSUPP' }),
  ...(isKernelFrom(6, 12) ? {} : { idMappedMounts: 'EINVAL' }),
}

const tmpfs: Recipe = {
  name: 'tmpfs',
  lacks: {
    zeroRange: 'EOPNOTSUPP',
    syncFlags: 'EOPNOTSUPP',
    projects: 'EOPNOTSUPP',
    generations: 'ENOTTY',
    writeToGuarded: 'OK',
    ...(isKernelFrom(6, 3) ? {} : { idMappedMounts: 'EINVAL' }),
    ...kernelTimes,
  },
  async mount(_medium, directory) {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=2g,mode=755', 'pmfs2-test', directory])
  },
  unmount: umount,
  check: () => Promise.resolve(),
}

const ext4: Recipe = {
  name: 'ext4',
  // Projects need its feature `project`, and that a kernel with quotas.
  lacks: { projects: 'EOPNOTSUPP', largeXattr: 'ENOSPC', ...kernelTimes },
  async mount(medium, directory) {
    await writeFile(medium, '')
    await truncate(medium, 2 ** 31)
    await run('mkfs.ext4', ['-q', '-m', '0', '-b', '4096', medium])
    await run('mount', ['-o', 'loop', medium, directory])
  },
  unmount: umount,
  async check(medium) {
    await until(async () => (await loopsOf(medium)).length === 0)
    await run('e2fsck', ['-f', '-n', medium])
  },
}

const pmfs2 = (count: DeviceCount, ...options: readonly string[]): Recipe => ({
  name: count === 1 ? 'pmfs2' : `pmfs2 on ${count} devices`,
  lacks: {
    // The kernel opens files by itself (no_open of FUSE), and does not know the flags.
    guardedOpen: options.some((option) => option.includes('direct_io')) ? 'EPERM' : 'OK',
    ...(options.includes('writeback_cache') ? { writeThrough: true, fineTimes: true } : {}),
    ...kernelOfFuse,
  },
  async mount(medium, directory) {
    const sizesBytes = deviceSizesFor(volumeBytes, count)
    const devices = sizesBytes.map((_, n) => (n === 0 ? medium : secondOf(medium)))
    for (const [n, path] of devices.entries()) {
      await writeFile(path, '')
      await truncate(path, sizesBytes[n])
    }
    await pmfs2Command('mkfs', ...devices, '--sparse')
    // One is named, and the other one is found beside it.
    await pmfs2Command(devices.at(-1)!, directory, ...options)
  },
  async unmount(directory) {
    await pmfs2Command('umount', directory)
  },
  async check(medium) {
    await until(() => Promise.resolve(!isHeld(medium)))
    await pmfs2Command('fsck', medium)
  },
})

function secondOf(medium: string): string {
  return `${medium}-2`
}

/** On a device that is there, whatever it holds. */
const pmfs2On = (devices: readonly string[], limitMs: number): Recipe => ({
  ...pmfs2(1),
  async mount(device, directory) {
    await runPmfs2(['mkfs', ...devices, '--force'], limitMs)
    await runPmfs2([device, directory], limitMs)
  },
  async unmount(directory) {
    await runPmfs2(['umount', directory], limitMs)
  },
  async check(device) {
    await until(() => Promise.resolve(!isHeld(device)))
    await runPmfs2(['fsck', device], limitMs)
  },
})

/** The example of another file system: its server runs in the foreground, and keeps all in memory. */
const memory = (channel: string): Recipe => {
  let ended: Promise<unknown> = Promise.resolve()
  return {
    name: 'the example in memory',
    lacks: {},
    async mount(_medium, directory) {
      const server = spawn(process.execPath, [EXAMPLE, directory, channel], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      ended = once(server, 'exit')
      await Promise.race([
        once(server.stdout, 'data'),
        ended.then(() => Promise.reject(new Error('the server of the example has ended'))),
      ])
    },
    async unmount(directory) {
      await umount(directory)
      await ended
    },
    check: () => Promise.resolve(),
  }
}

/**
 * Unmounts and deletes when this process ends, or is told to. `umount -f` cuts off a FUSE daemon that no longer
 * answers.
 */
export function guard(folder: string, directory: string): () => void {
  return whenGone('umount -f -l "$2"; rm -rf --one-file-system "$1"', folder, directory).run
}

/** Frees the loop device of an ext4 target, should a lazy unmount have left one. */
async function detachLoops(medium: string): Promise<void> {
  for (const device of await loopsOf(medium)) await finish('losetup', ['-d', device])
}

/** The loop devices on a file. */
async function loopsOf(file: string): Promise<string[]> {
  const { output } = await finish('losetup', ['-n', '-O', 'NAME', '-j', file])
  return output.split('\n').filter((line) => line !== '')
}

/** @param device that is there already and stays; null for a file that goes with the target */
async function mountTarget(recipe: Recipe, device: string | null = null): Promise<Target> {
  const folder = await makeTemporary(SHARED_MEMORY)
  const directory = join(folder, 'mount')
  const medium = device ?? join(folder, 'medium')
  const dismiss = guard(folder, directory)
  const system = new System()
  let released = false

  async function remove(): Promise<void> {
    if (device === null) {
      await detachLoops(medium)
      for (const path of [medium, secondOf(medium)]) await rm(path, { force: true })
    }
    await rmdir(directory)
    await rmdir(folder)
    dismiss()
  }

  async function release(): Promise<void> {
    if (released) return
    released = true
    await system.stop()
    try {
      await recipe.unmount(directory)
      await recipe.check(medium)
    } catch (error) {
      await finish('umount', ['-f', '-l', directory])
      throw error
    } finally {
      await remove()
    }
  }

  try {
    // Other users have to reach the mount, so the folder above it lets them pass.
    await chmod(folder, 0o711)
    await mkdir(directory)
    await recipe.mount(medium, directory)
  } catch (error) {
    await finish('umount', ['-f', '-l', directory])
    await system.stop()
    await remove()
    throw error
  }
  return { name: recipe.name, directory, lacks: recipe.lacks, system, release }
}

export const mountTmpfs = () => mountTarget(tmpfs)
export const mountExt4 = () => mountTarget(ext4)
export const mountExample = (channel: 'uring' | 'devfuse') => mountTarget(memory(channel))
/** @param options of the mount's command line */
export const mountPmfs2 = (...options: readonly string[]) => mountPmfs2With(usualDevices, ...options)
/** The same on a number of devices. */
export const mountPmfs2With = (count: DeviceCount, ...options: readonly string[]) =>
  mountTarget(pmfs2(count, ...options))
/** @param limitMs of each command */
export const mountPmfs2On = (devices: readonly string[], limitMs: number) =>
  mountTarget(pmfs2On(devices, limitMs), devices[0])

/**
 * A mount over each of the channels, released at the end of `t`. tap ends by itself once a teardown of its root is
 * registered and the last subtest so far has ended. So the caller gets the targets only when all are mounted: none of
 * their suites can end before the others are there.
 */
export async function mountOverEach(
  t: TearsDown,
  channels: readonly string[],
  ...options: readonly string[]
): Promise<Target[]> {
  const targets: Target[] = []
  for (const channel of channels) {
    const target = await mountPmfs2('--channel', channel, ...options)
    t.teardown(() => target.release())
    targets.push(target)
  }
  return targets
}

/** What is mounted already, and stays. */
export function mountedPmfs2(directory: string): Target {
  const system = new System()
  return { name: 'pmfs2', directory, lacks: pmfs2(usualDevices).lacks, system, release: () => system.stop() }
}
