// SPDX-License-Identifier: GPL-2.0-only
/**
 * What has to be done in the end, in the opposite order of what made it necessary: always, or to undo what has failed.
 */
import debug from 'debug'

const trace = debug('pmfs2:cli')

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

  /**
   * Does all of it, also where a part fails.
   * @throws what the first part that failed has thrown, unless that is to follow another failure, which is to be heard
   */
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
    for (const error of errors) trace('in the end: %o', error)
    if (succeeded && errors.length > 0) throw errors[0]
  }
}
