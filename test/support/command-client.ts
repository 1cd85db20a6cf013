// SPDX-License-Identifier: GPL-2.0-only
/**
 * Commands whose exit code and output are all that a test looks at, run by a process that has the program loaded
 * (command-server.ts). What a process of its own may do otherwise is run in one: commands at the same time, servers in
 * the foreground, arguments that are not UTF-8, and another environment.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { kernelName } from '../../src/native/file-name.js'
import type { CommandOutcome } from './command-server.js'

const serverFile = fileURLToPath(new URL('./command-server.js', import.meta.url))
/** Servers that commands start hold every request to the rules of locks and transactions. */
const withChecks = { PMFS2_CHECKED: '1' }

class CommandClient {
  #server: ChildProcess | null = null
  /** As the server was started with. */
  #environment = ''
  #isBusy = false

  canRun(args: readonly string[]): boolean {
    return (
      !this.#isBusy && args.every((arg) => typeof kernelName(arg) === 'string' && !staysInForeground(arg))
    )
  }

  /** @returns null where the command has not ended in time */
  async run(args: readonly string[], limitMs: number): Promise<CommandOutcome | null> {
    this.#isBusy = true
    const server = this.#running()
    // The test process waits for the server only as long as a command runs.
    server.ref()
    server.channel!.ref()
    const timer = setTimeout(() => server.kill('SIGKILL'), limitMs)
    try {
      return await answerOf(server, args)
    } finally {
      clearTimeout(timer)
      this.#isBusy = false
      server.unref()
      server.channel?.unref()
    }
  }

  #running(): ChildProcess {
    const environment = JSON.stringify(process.env)
    if (this.#server?.connected === true && environment === this.#environment) return this.#server
    if (this.#server?.connected === true) this.#server.disconnect()
    const own: NodeJS.ProcessEnv = { ...process.env, ...withChecks }
    delete own['NODE_OPTIONS']
    this.#environment = environment
    this.#server = fork(serverFile, {
      env: own,
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    return this.#server
  }
}

/** @returns null where the server ends instead */
async function answerOf(server: ChildProcess, args: readonly string[]): Promise<CommandOutcome | null> {
  const answered = new AbortController()
  const { signal } = answered
  const ended = once(server, 'exit', { signal }).then(
    () => null,
    () => null,
  )
  const answer = once(server, 'message').then(([outcome]) => outcome as CommandOutcome)
  server.send([...args])
  const first = await Promise.race([answer, ended])
  answered.abort()
  return first
}

function staysInForeground(arg: string): boolean {
  return ['-f', '-d', '--foreground', '--debug'].includes(arg)
}

export const commandClient = new CommandClient()
