// SPDX-License-Identifier: GPL-2.0-only
/**
 * What has to be done in the end, in the opposite order of what made it necessary: always, or to undo what has failed.
 */
export class Ends {
  readonly #actions: { readonly isUndo: boolean; readonly act: () => void }[] = []

  always(act: () => void): void {
    this.#actions.push({ isUndo: false, act })
  }

  onFailure(act: () => void): void {
    this.#actions.push({ isUndo: true, act })
  }

  /** Does now what is to be done always, and keeps what would undo. */
  finish(): void {
    const undoing = this.#actions.filter(({ isUndo }) => isUndo)
    try {
      this.run(true)
    } finally {
      this.#actions.push(...undoing)
    }
  }

  /** Does all of it, also where a part fails. @throws what the first part that failed has thrown */
  run(succeeded: boolean): void {
    const errors: unknown[] = []
    for (const { isUndo, act } of this.#actions.splice(0).toReversed()) {
      if (isUndo && succeeded) continue
      try {
        act()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }
}
