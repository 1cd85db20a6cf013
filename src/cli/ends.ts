// SPDX-License-Identifier: GPL-2.0-only
/**
 * What has to be done in the end, in the opposite order of what made it necessary: always, or to undo what has failed.
 */
import debug from 'debug'

const trace = debug('pmfs2:cli')
const nothing = (): void => undefined

interface Action {
  readonly isUndo: boolean
  readonly act: () => void
  readonly release: () => void
}

export class Ends {
  readonly #actions: Action[] = []

  always(act: () => void): void {
    this.#actions.push({ isUndo: false, act, release: nothing })
  }

  /** @param release of what `act` needs, afterwards or where it is not needed */
  onFailure(act: () => void, release = nothing): void {
    this.#actions.push({ isUndo: true, act, release })
  }

  /** Does now what is to be done always, and keeps what would undo. */
  finish(): void {
    const all = this.#actions.splice(0)
    const undoing = all.filter(({ isUndo }) => isUndo)
    this.#actions.push(...all.filter(({ isUndo }) => !isUndo))
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
    for (const { isUndo, act, release } of this.#actions.splice(0).toReversed()) {
      for (const step of isUndo && succeeded ? [release] : [act, release]) {
        try {
          step()
        } catch (error) {
          errors.push(error)
        }
      }
    }
    for (const error of errors) trace('in the end: %o', error)
    if (succeeded && errors.length > 0) throw errors[0]
  }
}
