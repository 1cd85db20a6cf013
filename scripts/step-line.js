// SPDX-License-Identifier: GPL-2.0-only
/** One line for each step of a script: what is done, how long it has taken so far, and in the end how long it took. */
import { performance } from 'node:perf_hooks'
import { clearInterval, setInterval } from 'node:timers'

const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`

export class StepLine {
  #text
  #start = performance.now()
  #timer = null

  /** Lines go to stderr: stdout belongs to the caller's command. */
  constructor(text) {
    this.#text = `${text} ... `
    process.stderr.write(this.#text)
    if (process.stderr.isTTY !== true) return
    this.#timer = setInterval(() => process.stderr.write(`\r${this.#text}${seconds(this.#start)}`), 1000)
  }

  /** @param remark stands before the time */
  end(remark) {
    clearInterval(this.#timer)
    const again = this.#timer === null ? '' : `\r${this.#text}`
    process.stderr.write(`${again}${remark === '' ? '' : `${remark}, `}${seconds(this.#start)}\n`)
  }
}
