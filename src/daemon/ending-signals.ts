// SPDX-License-Identifier: GPL-2.0-only
/**
 * The signals that end a mount. From the first to the last moment of its life they do nothing but ask for that: one
 * that came while the volume is closed would otherwise kill the server, and leave a device that is not in order.
 */
import debug from 'debug'

const trace = debug('pmfs2:daemon')

const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** Node would open its debugger on it, to everybody on this machine. */
const debuggerSignal = 'SIGUSR1'

function doNothing(): void {
  // What others take this signal for does not end them either.
}

export class EndingSignals {
  #action: (() => void) | null = null
  #came = false
  readonly #listener = (signal: NodeJS.Signals): void => {
    trace('%s', signal)
    this.#came = true
    this.#action?.()
  }

  constructor() {
    for (const name of names) process.on(name, this.#listener)
    process.on(debuggerSignal, doNothing)
  }

  /** Whether one has come: the mount is to end. */
  get came(): boolean {
    return this.#came
  }

  /** What they do from now on, and at once if one has come before; null for nothing. */
  set action(action: (() => void) | null) {
    this.#action = action
    if (this.#came) action?.()
  }

  /** They do what they do in any program. */
  release(): void {
    for (const name of names) process.off(name, this.#listener)
    process.off(debuggerSignal, doNothing)
  }
}
