// SPDX-License-Identifier: GPL-2.0-only
/** The main thread's hold on one worker: starting it, hearing from it, stopping it. */
import { Worker } from 'node:worker_threads'
import type { DamageListener } from '../fs/damage.js'
import { type Mapping, PAUSE, STOP, native } from '../native/index.js'
import { DeviceError } from '../pmem/device-error.js'
import { viewTransferBuffer } from '../pmem/transfer-buffer.js'
import { LoadError } from './mount-failure.js'
import type { NewMode, Order, WorkerMessage, WorkerSetting } from './worker-messages.js'

/** A signal may come just before the thread blocks, so it is sent again until the thread has answered. */
const interruptEveryMs = 10

export class WorkerThread {
  /** Resolves when the worker has all that it needs to serve. */
  readonly ready: Promise<void>
  /** Resolves when the worker has answered the kernel's first request, or offered its queues. */
  readonly live: Promise<void>
  /** Resolves when it has ended in order; rejects with its error otherwise. */
  readonly ended: Promise<void>
  /** Null where there is no thread: it could not be had, or has ended. */
  #worker: Worker | null = null
  #threadId = 0
  #stop: { mapping: Mapping; word: number } | null = null
  #timer: NodeJS.Timeout | null = null
  #pauseTimer: NodeJS.Timeout | null = null
  #paused: (() => void) | null = null
  #isPaused = false
  /** What the listener threw. */
  #failure: Error | null = null

  /** @param onDamage where it throws, the worker is stopped, and {@link ended} rejects with that once it is gone */
  constructor(setting: WorkerSetting, onDamage: DamageListener) {
    let becomeReady: () => void
    this.ready = new Promise((resolve) => {
      becomeReady = resolve
    })
    let becomeLive: () => void
    this.live = new Promise((resolve) => {
      becomeLive = resolve
    })
    this.ended = new Promise((resolve, reject) => {
      let isLoaded = false
      let inOrder = false
      let thrown: Error | null = null
      // What this throws, for want of a thread, rejects.
      const script = setting.files.module === null ? 'engine-worker' : 'module-worker'
      const worker = new Worker(new URL(`../daemon/${script}.js`, import.meta.url), {
        workerData: setting,
        name: `pmfs2 worker ${setting.worker}`,
      })
      this.#worker = worker
      worker.on('message', (message: WorkerMessage) => {
        if (message.type === 'loaded') isLoaded = true
        else if (message.type === 'started') {
          this.#threadId = message.threadId
          this.#stop = message.stop
          if (this.#timer !== null) this.#tellToStop()
          becomeReady()
        } else if (message.type === 'live') becomeLive()
        else if (message.type === 'paused') this.#notePause()
        else if (message.type === 'damage') this.#stopIfThrows(() => onDamage(message.what, message.bad))
        else if (message.type === 'failed') reject(new DeviceError(message.code, message.message))
        else inOrder = true
      })
      // It may overtake messages, which have all come by the time of the exit.
      worker.on('error', (error: unknown) => (thrown = asError(error)))
      worker.on('exit', (code) => {
        if (this.#timer !== null) clearInterval(this.#timer)
        if (this.#pauseTimer !== null) clearInterval(this.#pauseTimer)
        if (this.#stop !== null) native.unmap(this.#stop.mapping, null)
        this.#stop = null
        this.#isPaused = false
        this.#worker = null
        const cause = thrown ?? new Error(`a worker ended with exit code ${code}`)
        if (this.#failure !== null) reject(this.#failure)
        else if (inOrder && thrown === null) resolve()
        else reject(isLoaded ? cause : new LoadError(cause))
      })
    })
    // A rejection is handled where one of the two is waited for; no caller has to wait for both.
    this.ended.catch(() => undefined)
  }

  /** Makes it serve, once it is ready. */
  serve(): void {
    this.#order('serve')
  }

  /** Whether it waits for {@link goOn}, and uses nothing until then. */
  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Makes it finish the request in hand and end. */
  stop(): void {
    if (this.#worker === null || this.#timer !== null) return
    this.#isPaused = false
    this.#timer = setInterval(() => this.#tellToStop(), interruptEveryMs)
    // Before the order: one that is paused would find the old word, and wait for another order.
    this.#tellToStop()
    // One that was never told to serve, or is paused, does so now, finds the stop word, and ends.
    this.serve()
  }

  /**
   * Makes it finish the request in hand and wait. Resolves when it does ({@link isPaused}), or when it has ended, in
   * order or not; one that is told to stop does not wait.
   */
  async pause(): Promise<void> {
    const paused = new Promise<void>((resolve) => {
      this.#paused = resolve
    })
    this.#ask(PAUSE)
    this.#pauseTimer = setInterval(() => this.#ask(PAUSE), interruptEveryMs)
    await Promise.race([paused, this.ended.catch(() => undefined)])
    clearInterval(this.#pauseTimer)
    this.#pauseTimer = null
    this.#paused = null
  }

  /** Makes it serve again, if it is paused. */
  goOn(mode: NewMode): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    if (this.#stop !== null) Atomics.compareExchange(this.#words, this.#stop.word, PAUSE, 0)
    this.#order(mode)
  }

  /** Stops it, and has {@link ended} reject: nobody may give up what it uses before it has ended. */
  fail(error: unknown): void {
    this.#failure ??= asError(error)
    this.stop()
  }

  #stopIfThrows(listener: () => void): void {
    try {
      listener()
    } catch (error) {
      this.fail(error)
    }
  }

  #notePause(): void {
    // One that is told to stop has found the order to go on already.
    this.#isPaused = this.#timer === null
    this.#paused?.()
  }

  #order(order: Order): void {
    this.#worker?.postMessage(order)
  }

  get #words(): Int32Array {
    return viewTransferBuffer(this.#stop!.mapping).words
  }

  /** A stop outweighs a pause. */
  #ask(what: typeof STOP | typeof PAUSE): void {
    if (this.#stop === null) return
    if (what === STOP) Atomics.store(this.#words, this.#stop.word, STOP)
    else Atomics.compareExchange(this.#words, this.#stop.word, 0, PAUSE)
    native.interruptThread(this.#threadId)
  }

  #tellToStop(): void {
    if (this.#stop === null) return
    this.#ask(STOP)
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
