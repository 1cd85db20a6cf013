// SPDX-License-Identifier: GPL-2.0-only
/**
 * A volume of a test's own in shared memory, on one device or two (device-count.ts), and a place to mount it, through
 * the program itself. Whatever becomes of the test, at its end nothing is mounted, no server runs and nothing lies in
 * shared memory.
 *
 * Nothing here waits for a mount without a time limit.
 */
import { chmod, mkdir, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type HeardReport, queryDaemonOf } from '../../src/daemon/control.js'
import { parseSize } from '../../src/cli/size.js'
import { type MountEntry, findMount, ownerOf } from '../../src/daemon/mount-table.js'
import { isHeld } from '../../src/pmem/device.js'
import { commandClient } from './command-client.js'
import { deviceSizesFor, usualDevices } from './device-count.js'
import { program } from './program.js'
import { type Finished, finish, withoutRunner } from './run-command.js'
import { guard } from './target.js'
import { SHARED_MEMORY, type TearsDown, makeTemporary } from './temporary.js'
import { until } from './until.js'

export { packageRoot, program } from './program.js'
export { until } from './until.js'

const commandLimitMs = 60_000

/** The same for the program, with what {@link preload} has added. */
export const programEnvironment: string[] = [...withoutRunner]

/**
 * Has the program, wherever it is started until the end of the test, load a file of this folder before anything else.
 */
export function preload(t: TearsDown, file: string, ...variables: readonly string[]): void {
  const script = new URL(`./${file}.js`, import.meta.url).href
  // It changes modules, which a bundle does not share.
  const added = [`NODE_OPTIONS=--import=${script}`, 'PMFS2_MODULES=1', ...variables]
  programEnvironment.push(...added)
  t.teardown(() => programEnvironment.splice(programEnvironment.indexOf(added[0]!), added.length))
}

/** Gives the program a defect: defect.ts. */
export function plantDefect(t: TearsDown): void {
  preload(t, 'defect')
}

/** Options of env(1): servers hold every request to the rules of locks and transactions. */
const withChecks: readonly string[] = ['PMFS2_CHECKED=1']

/** Runs the program in a process of its own. */
export function pmfs2Process(args: readonly string[], limitMs = commandLimitMs): Promise<Finished> {
  return finish('env', [...programEnvironment, ...withChecks, process.execPath, program, ...args], limitMs)
}

/** Runs the program. */
export async function pmfs2(args: readonly string[], limitMs = commandLimitMs): Promise<Finished> {
  const isOrdinary = programEnvironment.length === withoutRunner.length
  if (!isOrdinary || !commandClient.canRun(args)) return pmfs2Process(args, limitMs)
  const outcome = await commandClient.run(args, limitMs)
  return outcome === null
    ? { end: 'SIGKILL', output: '' }
    : { end: outcome.end, output: outcome.output.trim() }
}

/** Runs the program; anything but exit code 0 is an error. */
export async function succeed(...args: readonly string[]): Promise<string> {
  const { end, output } = await pmfs2(args)
  if (end !== 0) throw new Error(`pmfs2-fuse ${args.join(' ')}: ended with ${end}: ${output}`)
  return output
}

/** Whether a thread of the process is still there, as more than an entry that its parent has to collect. */
async function isRunning(pid: number): Promise<boolean> {
  try {
    if ((await readdir(`/proc/${pid}/task`)).length > 1) return true
    const text = await readFile(`/proc/${pid}/stat`, 'utf8')
    return !text.slice(text.lastIndexOf(')')).startsWith(') Z')
  } catch {
    return false
  }
}

/** Resolves once the process has ended: true, or false where it did not within the time. */
export function hasEnded(pid: number, limitMs?: number): Promise<boolean> {
  return until(async () => !(await isRunning(pid)), limitMs)
}

/** What a server says of itself, with its number in this PID namespace. */
type Served = HeardReport & { readonly pid: number }

/** Makes sparse files. */
async function makeFiles(paths: readonly string[], sizesBytes: readonly number[]): Promise<void> {
  for (const [n, path] of paths.entries()) {
    await writeFile(path, '')
    await truncate(path, sizesBytes[n])
  }
}

export class TestMount {
  readonly folder: string
  readonly devices: readonly string[]
  /** The first one. */
  readonly device: string
  readonly mountpoint: string
  #entry: MountEntry | null = null
  /** Servers that may still run. */
  readonly #servers = new Set<number>()

  private constructor(folder: string, devices: number) {
    this.folder = folder
    this.device = join(folder, 'medium')
    this.devices = Array.from({ length: devices }, (_, n) =>
      n === 0 ? this.device : `${this.device}-${n + 1}`,
    )
    this.mountpoint = join(folder, 'mount')
  }

  /** A file system of this size, not mounted. @param count of its devices */
  static make(t: TearsDown, size = '1G', parent = SHARED_MEMORY, count = usualDevices): Promise<TestMount> {
    return TestMount.#format(t, parent, deviceSizesFor(parseSize(size)!, count))
  }

  /** The same on exactly these devices, in one folder. */
  static makeOn(t: TearsDown, ...sizesBytes: readonly number[]): Promise<TestMount> {
    return TestMount.#format(t, SHARED_MEMORY, sizesBytes)
  }

  static async #format(t: TearsDown, parent: string, sizesBytes: readonly number[]): Promise<TestMount> {
    const mount = await TestMount.#prepare(t, sizesBytes.length, parent)
    await makeFiles(mount.devices, sizesBytes)
    await succeed('mkfs', ...mount.devices, '--sparse')
    return mount
  }

  static async #prepare(t: TearsDown, devices: number, parent: string): Promise<TestMount> {
    const mount = new TestMount(await makeTemporary(parent), devices)
    const dismiss = guard(mount.folder, mount.mountpoint)
    t.teardown(async () => {
      await mount.#release()
      dismiss()
    })
    // Other users have to reach the mount, so the folder above it lets them pass.
    await chmod(mount.folder, 0o711)
    await mkdir(mount.mountpoint)
    return mount
  }

  /** The same, mounted. */
  static async mounted(t: TearsDown, size = '1G', ...args: readonly string[]): Promise<TestMount> {
    const mount = await TestMount.make(t, size)
    await mount.mount(...args)
    return mount
  }

  /** The same on exactly these devices. */
  static async mountedOn(
    t: TearsDown,
    sizesBytes: readonly number[],
    ...args: readonly string[]
  ): Promise<TestMount> {
    const mount = await TestMount.makeOn(t, ...sizesBytes)
    await mount.mount(...args)
    return mount
  }

  /** @returns what the program printed */
  async mount(...args: readonly string[]): Promise<string> {
    const output = await succeed(this.device, this.mountpoint, ...args)
    await this.adopt()
    return output
  }

  /** Learns of a server that the test has started by other means, once its mount is live. */
  async adopt(): Promise<Served> {
    this.#entry = findMount(this.mountpoint)
    const report = await this.report()
    this.#servers.add(report.pid)
    return report
  }

  async unmount(): Promise<void> {
    await succeed('umount', this.mountpoint)
  }

  async remount(...args: readonly string[]): Promise<void> {
    await this.unmount()
    await this.mount(...args)
  }

  /**
   * fsck of the device, which must not be mounted. A mount namespace that another test has just made has its mount for
   * a moment. @returns what it printed
   */
  async check(): Promise<string> {
    await until(() => Promise.resolve(!isHeld(this.device)))
    return succeed('fsck', this.device)
  }

  /** What the server says of itself; asking costs no request. On a busy machine it may take longer than users wait. */
  async report(): Promise<Served> {
    const entry = this.#entry
    if (entry === null) throw new Error(`${this.mountpoint}: nothing was mounted there`)
    const heard: { report: HeardReport | null } = { report: null }
    await until(async () => {
      heard.report = await queryDaemonOf(entry, ownerOf(entry))
      return heard.report !== null || !this.isMounted()
    })
    const { report } = heard
    if (report === null) throw new Error(`the server of ${this.mountpoint} does not answer`)
    const { pid } = report
    if (pid === null) throw new Error(`the server of ${this.mountpoint} is in another PID namespace`)
    return { ...report, pid }
  }

  /** A directory for another mount, whatever is mounted there is taken away at the end of `t`. */
  async secondPlace(t: TearsDown): Promise<string> {
    const place = join(this.folder, 'second')
    await mkdir(place)
    t.teardown(() => finish('umount', ['-f', '-l', place]))
    return place
  }

  isMounted(): boolean {
    return findMount(this.mountpoint) !== null
  }

  /** Kills the server, as a defect or the OOM killer would, and takes its dead mount away. */
  async kill(): Promise<void> {
    await this.killServer()
    await this.cutOff()
  }

  /** Kills the server and leaves its dead mount, where whoever still calls is told so. */
  async killServer(): Promise<void> {
    const { pid } = await this.report()
    process.kill(pid, 'SIGKILL')
    if (!(await hasEnded(pid))) throw new Error(`the server ${pid} does not end`)
  }

  /** Takes away a mount whose server is dead or hangs. */
  async cutOff(): Promise<void> {
    while (this.isMounted()) {
      const { end, output } = await finish('umount', ['-f', '-l', this.mountpoint])
      if (end !== 0) throw new Error(`umount ${this.mountpoint}: ${output}`)
    }
  }

  async #release(): Promise<void> {
    try {
      await this.cutOff()
      for (const pid of this.#servers) if (!(await hasEnded(pid))) process.kill(pid, 'SIGKILL')
    } finally {
      await rm(this.folder, { recursive: true, force: true, maxRetries: 3 })
    }
  }
}
