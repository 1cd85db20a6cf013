// SPDX-License-Identifier: GPL-2.0-only
/**
 * Which test file runs next. The kernel's switch for FUSE over io_uring belongs to the whole machine, so files that
 * mount without it end before the first one that needs it begins. Files that do neither fill the gaps: a mount waits
 * often, a test of the engine computes, so one of these runs beside those as long as there are both.
 */

/** How a file uses the switch: `off` mounts and leaves it alone, `on` turns it on, `unused` does not depend on it. */
export type SwitchUse = 'off' | 'on' | 'unused'

export interface TestFile {
  readonly path: string
  readonly switchUse: SwitchUse
}

export class Schedule {
  readonly #waiting: Record<SwitchUse, TestFile[]> = { off: [], on: [], unused: [] }
  readonly #running: Record<SwitchUse, number> = { off: 0, on: 0, unused: 0 }

  constructor(files: readonly TestFile[]) {
    for (const file of files) this.#waiting[file.switchUse].push(file)
  }

  /** @returns a file to start now; null if none may start before another one ends, or none is left */
  next(): TestFile | null {
    const mounting = this.#nextThatMounts()
    const computing = this.#waiting.unused
    const isProcessorFree = this.#running.unused === 0 && this.#running.off + this.#running.on > 0
    const file =
      (isProcessorFree ? computing.shift() : undefined) ?? mounting.shift() ?? computing.shift() ?? null
    if (file !== null) this.#running[file.switchUse] += 1
    return file
  }

  #nextThatMounts(): TestFile[] {
    if (this.#waiting.off.length > 0) return this.#waiting.off
    return this.#running.off === 0 ? this.#waiting.on : []
  }

  ended(file: TestFile): void {
    this.#running[file.switchUse] -= 1
  }

  /** Whether a file that needs the switch on is running or has yet to run. */
  get needsSwitch(): boolean {
    return this.#running.on + this.#waiting.on.length > 0
  }
}
