// SPDX-License-Identifier: GPL-2.0-only
/**
 * Signals that interrupt a script. The first one ends the child that runs at the time and not the script, which then
 * cleans up and exits with the code that a shell gives a signal. Later ones change nothing.
 */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'

/** Thrown once a signal has come. */
export class Interrupted extends Error {
  /** @param {NodeJS.Signals} signal */
  constructor(signal) {
    super(`interrupted (${signal})`)
    this.exitCode = 128 + constants.signals[signal]
  }
}

export class Interruption {
  /** The first signal that came, or null. */
  #signal = null
  #child = null

  constructor() {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => this.#interrupt(name))
    // A terminal or a pipe that is gone must not keep anybody from cleaning up.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  }

  #interrupt(name) {
    if (this.#signal !== null) return
    this.#signal = name
    if (this.#child !== null) endGroup(this.#child)
  }

  /** @throws Interrupted */
  check() {
    if (this.#signal !== null) throw new Interrupted(this.#signal)
  }

  /**
   * Runs a program to its end, in a session of its own, so that Ctrl-C reaches it from here alone and not from the
   * terminal as well. A signal in the meantime ends it, and is for the caller to {@link check}.
   * @param started is given the child
   * @returns its exit code and the signal that ended it, one of them null
   */
  async run(program, args, options, started = () => {}) {
    this.check()
    const child = spawn(program, args, { ...options, detached: true })
    this.#child = child
    started(child)
    // Output that is heard here has come whole at `close`, which Node forgets about where a channel was disconnected.
    const end = child.stdout === null ? 'exit' : 'close'
    try {
      return await new Promise((resolve, reject) => {
        child.on('error', reject)
        child.on(end, (code, signal) => resolve({ code, signal }))
      })
    } finally {
      this.#child = null
    }
  }
}

/** With whatever it has started. */
function endGroup(child) {
  try {
    process.kill(-child.pid, 'SIGTERM')
  } catch {
    // It could not be started, or has just ended.
  }
}

/**
 * Runs a script's main function, and makes what it throws its exit code.
 * @param name the script's, before its messages
 * @param expected class of the errors whose message says all
 */
export async function runScript(name, expected, main) {
  try {
    await main(new Interruption())
  } catch (error) {
    if (!(error instanceof expected) && !(error instanceof Interrupted)) throw error
    console.error(`${name}: ${error.message}`)
    process.exitCode = error.exitCode ?? 1
  }
}
