// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a run has mounted. An instance is made when a workload first asks for it, and stays until it is closed; at the
 * end, at ^C and after a failure all of it goes: mounts, processes, and the folder in /dev/shm that holds everything.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Contender, Instance } from './contenders/contender.js'

/** The instances that serve all workloads without a wish of their own. */
const commonPurpose = 'common'

export interface Wish {
  /** Workloads that wish for the same share an instance; it goes after the workload. */
  readonly purpose: string
  readonly files: number
  /** The instance is handed out formatted, and is not mounted. */
  readonly unmounted: boolean
}

interface Held {
  readonly contender: string
  readonly purpose: string
  readonly instance: Instance
}

export class Session {
  /** In shared memory, for whatever the run needs. */
  readonly folder: string
  readonly #held = new Map<string, Held>()
  #count = 0

  private constructor(folder: string) {
    this.folder = folder
  }

  static async begin(): Promise<Session> {
    return new Session(await mkdtemp(`/dev/shm/pmfs2-bench-${process.pid}-`))
  }

  /** Mounted, as others use it too; pinned where asked for and where that makes a difference. */
  async common(contender: Contender, files: number, cpu: number | undefined): Promise<Instance> {
    const pinned = contender.pins ? cpu : undefined
    const purpose = pinned === undefined ? commonPurpose : `pinned to ${pinned}`
    return this.#get(contender, { purpose, files, unmounted: false }, pinned)
  }

  own(contender: Contender, wish: Wish): Promise<Instance> {
    return this.#get(contender, wish, undefined)
  }

  /** Removes what the workload alone had. */
  async closeOwn(): Promise<void> {
    await this.#close(({ purpose }) => purpose !== commonPurpose)
  }

  /** Removes what a contender has, for it to begin anew. */
  async closeOf(contender: string): Promise<void> {
    await this.#close((held) => held.contender === contender)
  }

  /** @throws AggregateError of what could not be removed, after all else was */
  async end(): Promise<void> {
    await this.#close(() => true)
    await rm(this.folder, { recursive: true, force: true })
  }

  async #get(contender: Contender, wish: Wish, cpu: number | undefined): Promise<Instance> {
    const key = `${contender.name}/${wish.purpose}`
    const known = this.#held.get(key)
    if (known !== undefined) return known.instance
    const folder = join(this.folder, `${contender.name}-${this.#count++}`)
    const instance = contender.make({ folder, cpu, files: wish.files })
    // Held before it is formatted, so that it goes even if that fails half-way.
    this.#held.set(key, { contender: contender.name, purpose: wish.purpose, instance })
    await instance.format()
    if (!wish.unmounted) await instance.mount()
    return instance
  }

  async #close(chosen: (held: Held) => boolean): Promise<void> {
    const failures: unknown[] = []
    for (const [key, held] of [...this.#held]) {
      if (!chosen(held)) continue
      await held.instance.remove().catch((error: unknown) => failures.push(error))
      this.#held.delete(key)
    }
    if (failures.length > 0)
      throw new AggregateError(failures, `not removed: ${failures.map(String).join('; ')}`)
  }
}
