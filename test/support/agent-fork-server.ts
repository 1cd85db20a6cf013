// SPDX-License-Identifier: GPL-2.0-only
/**
 * Starts the processes that make system calls for a test. An interpreter takes some 60 ms to start, a copy of one that
 * has started takes 5. So the first agent of a test file starts an interpreter (system-agent.py), which forks an agent
 * for each byte that it is sent. Each agent connects to an address of ours. They are all alike, so whichever connects
 * next is the one that was asked for. The interpreter ends with this process.
 */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { type Server, type Socket, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findPackageRoot } from '../../src/native/package-root.js'

const AGENT = join(
  findPackageRoot(dirname(fileURLToPath(import.meta.url))),
  'test',
  'support',
  'system-agent.py',
)

/**
 * An abstract address leaves nothing in a file system. Zeros at the end are a part of such a name, and versions of Node
 * differ in whether they add some, so the name takes all the room that there is.
 */
const abstractNameBytes = 107

interface Waiting {
  readonly resolve: (connection: Socket) => void
  readonly reject: (reason: Error) => void
}

class AgentForkServer {
  readonly #server: Server
  /** Agents that were asked for and have not connected yet. */
  readonly #waiting: Waiting[] = []
  #control: Socket | null = null

  constructor() {
    const name = `pmfs2-test-${randomUUID()}`.padEnd(abstractNameBytes, '-')
    this.#server = createServer((connection) => this.#accept(connection))
    this.#server.listen(`\0${name}`, () => this.#start(name))
    this.#server.unref()
  }

  /** @returns the line to a new agent */
  fork(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#control?.write('+')
    })
  }

  #start(address: string): void {
    const child = spawn('python3', ['-I', '-S', AGENT, address], { stdio: ['ignore', 'ignore', 'inherit'] })
    const fail = (reason: string): void => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`no agent: ${reason}`))
    }
    child.once('error', (error) => fail(error.message))
    child.once('exit', () => fail('its interpreter has ended'))
    child.unref()
  }

  /** The interpreter connects first, to hear of each agent that is asked for. */
  #accept(connection: Socket): void {
    if (this.#control !== null) {
      this.#waiting.shift()?.resolve(connection)
      return
    }
    this.#control = connection
    connection.on('error', () => undefined)
    connection.unref()
    connection.write('+'.repeat(this.#waiting.length))
  }
}

let forkServer: AgentForkServer | null = null

/** @returns the line to a new process that makes system calls */
export function forkAgent(): Promise<Socket> {
  forkServer ??= new AgentForkServer()
  return forkServer.fork()
}
