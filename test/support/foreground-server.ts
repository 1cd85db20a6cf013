// SPDX-License-Identifier: GPL-2.0-only
/** A mount that stays in the foreground: a child of the test, which hears what it prints and how it ends. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { type TestMount, program, programEnvironment } from './test-mount.js'

const limitMs = 60_000
const stepMs = 20

export class ForegroundServer {
  /** What it has printed so far. */
  output = ''
  readonly #child: ChildProcessByStdio<null, Readable, Readable>
  readonly #ended: Promise<number | string>

  private constructor(nodeOptions: readonly string[], args: readonly string[]) {
    // What is loaded before the program uses its modules, which a bundle does not share.
    const own = nodeOptions.includes('--import') ? ['PMFS2_MODULES=1'] : []
    const command = [...own, process.execPath, ...nodeOptions, program, ...args]
    this.#child = spawn('env', [...programEnvironment, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.on('data', (chunk: Buffer) => (this.output += chunk.toString()))
    }
    this.#ended = once(this.#child, 'close').then(
      ([code, signal]: unknown[]) => (code ?? signal) as number | string,
    )
  }

  /** Starts one, and does not wait for anything. */
  static launch(mount: TestMount, ...args: readonly string[]): ForegroundServer {
    return new ForegroundServer([], [mount.device, mount.mountpoint, ...args])
  }

  /** Starts one, and waits until its mount is live. */
  static start(mount: TestMount, ...args: readonly string[]): Promise<ForegroundServer> {
    return ForegroundServer.startUnder([], mount, ...args)
  }

  /** The same, with options of Node's own. */
  static async startUnder(
    nodeOptions: readonly string[],
    mount: TestMount,
    ...args: readonly string[]
  ): Promise<ForegroundServer> {
    const server = new ForegroundServer(nodeOptions, [mount.device, mount.mountpoint, ...args])
    const deadline = performance.now() + limitMs
    while (!(await isLive(mount))) {
      if (server.#child.exitCode !== null || performance.now() > deadline) {
        server.#child.kill('SIGKILL')
        throw new Error(`the server did not come up: ${server.output}`)
      }
      await sleep(stepMs)
    }
    return server
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Resolves with the exit code or the signal's name; a server that does not end in time is killed. */
  async ended(): Promise<number | string> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), limitMs)
    const end = await this.#ended
    clearTimeout(timer)
    return end
  }
}

async function isLive(mount: TestMount): Promise<boolean> {
  if (!mount.isMounted()) return false
  try {
    await mount.adopt()
    return true
  } catch {
    // It is attached, but does not answer yet.
    return false
  }
}
