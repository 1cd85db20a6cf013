// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a server asks of the kernel about its own mount while it serves it: to unmount, or to remount. The kernel may
 * wait for the server meanwhile: the way to a mount point can lead through the file system itself, and a remount waits
 * for pages that are being read. So each call is made by a process of its own. A thread of the server that waited would
 * not see that the workers fail, and no signal ends such a wait: it would keep /dev/fuse open, and nothing but aborting
 * the connection would end the server.
 *
 * Once /dev/fuse is closed the kernel waits for nobody. Then, this thread may make the calls itself.
 */
import { fileURLToPath } from 'node:url'
import debug from 'debug'
import { rawCommand } from '../native/raw-command.js'
import { detach, detachLazily } from './detach.js'
import { type MountIdentity, placesOf } from './mount-table.js'
import { startProgram } from './start-program.js'

const trace = debug('pmfs2:daemon')

const program = fileURLToPath(new URL('../daemon/mount-call.js', import.meta.url))

/** How long a killed call may take to end: the kernel may let it wait for something that no signal interrupts. */
const endLimitMs = 1000

interface Caller {
  /** Resolves when the process has ended, or could not be started. The value is whether its exit code was 0. */
  readonly ended: Promise<boolean>
  /** Kills it with all that it has started, and no longer keeps this process alive for it. */
  kill(): void
}

export class MountCalls {
  readonly #mount: MountIdentity | null
  readonly #callers = new Set<Caller>()
  #isOver = false

  /** @param mount null where it was gone at once */
  constructor(mount: MountIdentity | null) {
    this.#mount = mount
  }

  /** Unmounts wherever one sees the mount. @returns where it still is, as it is in use */
  async unmount(): Promise<string[]> {
    await this.#call('unmount')
    return this.places
  }

  /** The same of one that is in use: it is taken out of sight, and goes when its last user does. */
  async unmountLazily(): Promise<void> {
    await this.#call('unmount-lazily')
  }

  /** What the kernel lets programs change would only fail in the server. @returns whether it was remounted */
  remountReadOnly(): Promise<boolean> {
    return this.#call('remount-read-only')
  }

  /**
   * To be called once /dev/fuse is closed. The mount may be gone soon, so no call goes on. All
   * are killed when this returns; the promise resolves when they have ended, or after a second.
   */
  async end(): Promise<void> {
    this.#isOver = true
    const callers = [...this.#callers]
    for (const caller of callers) caller.kill()
    await within(Promise.all(callers.map(({ ended }) => ended)), endLimitMs)
  }

  /** Where one sees the mount. */
  get places(): string[] {
    return this.#mount === null ? [] : placesOf(this.#mount)
  }

  /** As {@link unmount}, by this thread, once /dev/fuse is closed. @returns where it still is, as it is in use */
  detach(): string[] {
    return this.#mount === null ? [] : detach(this.#mount)
  }

  /** As {@link unmountLazily}, by this thread, once /dev/fuse is closed. */
  detachLazily(): void {
    if (this.#mount !== null) detachLazily(this.#mount)
  }

  /** @returns whether the call succeeded */
  async #call(call: string): Promise<boolean> {
    if (this.#mount === null || this.#isOver) return false
    const caller = start(call, this.#mount)
    if (caller === null) return false
    this.#callers.add(caller)
    const succeeded = await caller.ended
    this.#callers.delete(caller)
    return succeeded
  }
}

/** @returns null where no process can be had */
function start(call: string, mount: MountIdentity): Caller | null {
  // Signals of the terminal are for the server alone, and so are options of Node. It leads a process group of its own.
  const words = [program, call, JSON.stringify(mount), String(process.pid)]
  const child = startProgram(...rawCommand(process.execPath, words), {
    stdio: 'ignore',
    detached: true,
    env: { ...process.env, NODE_OPTIONS: '' },
    cwd: '/',
  })
  if (child === null) return null
  const ended = new Promise<boolean>((resolve) => {
    child.on('error', () => resolve(false))
    child.on('exit', (code, signal) => {
      trace('%s ended with %s', call, code ?? signal)
      resolve(code === 0)
    })
  })
  const kill = (): void => {
    if (child.pid !== undefined) killGroup(child.pid)
    child.unref()
  }
  return { ended, kill }
}

/** fusermount3, which a call starts for users who are not root, would go on without its starter. */
function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL')
  } catch (error) {
    trace('group %d: %o', leader, error)
  }
}

/** Waits for the promise, but not longer than that. */
async function within(promise: Promise<unknown>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise((resolve) => (timer = setTimeout(resolve, limitMs)))
  await Promise.race([promise, limit])
  clearTimeout(timer)
}
