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
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import debug from 'debug'
import { rawCommand } from '../native/raw-command.js'
import { placesOf } from './mount-table.js'

const trace = debug('pmfs2:daemon')

const program = fileURLToPath(new URL('./mount-call.js', import.meta.url))

interface Caller {
  /** Resolves when the process has ended, however, or could not be started. */
  readonly ended: Promise<void>
  kill(): void
}

export class MountCalls {
  readonly #device: string | null
  readonly #callers = new Set<Caller>()
  #isOver = false

  /** @param device of the mount, as the mount table has it; null where it was gone at once */
  constructor(device: string | null) {
    this.#device = device
  }

  /** Unmounts wherever one sees the mount. @returns where it still is, as it is in use */
  async unmount(): Promise<string[]> {
    await this.#call('unmount')
    return this.#device === null ? [] : placesOf(this.#device)
  }

  /** The same of one that is in use: it is taken out of sight, and goes when its last user does. */
  unmountLazily(): Promise<void> {
    return this.#call('unmount-lazily')
  }

  /** What the kernel lets programs change would only fail in the server. */
  remountReadOnly(): Promise<void> {
    return this.#call('remount-read-only')
  }

  /** To be called once /dev/fuse is closed. Another mount may get the device number afterwards, so no call goes on. */
  async end(): Promise<void> {
    this.#isOver = true
    for (const caller of this.#callers) caller.kill()
    await Promise.all([...this.#callers].map(({ ended }) => ended))
  }

  async #call(call: string): Promise<void> {
    if (this.#device === null || this.#isOver) return
    const caller = start(call, this.#device)
    if (caller === null) return
    this.#callers.add(caller)
    await caller.ended
    this.#callers.delete(caller)
  }
}

/** @returns null where no process can be had */
function start(call: string, device: string): Caller | null {
  try {
    // Signals of the terminal are for the server alone, and so are options of Node.
    const child = spawn(...rawCommand(process.execPath, [program, call, device]), {
      stdio: 'ignore',
      detached: true,
      env: { ...process.env, NODE_OPTIONS: '' },
      cwd: '/',
    })
    const ended = new Promise<void>((resolve) => {
      child.on('error', (error) => {
        trace('%s: %s', call, error.message)
        resolve()
      })
      child.on('exit', (code, signal) => {
        trace('%s ended with %s', call, code ?? signal)
        resolve()
      })
    })
    return { ended, kill: () => void child.kill('SIGKILL') }
  } catch (error) {
    trace('%s: %o', call, error)
    return null
  }
}
