// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a test's teardown does, for what is no test, or is over before its test: in the end all is undone, last first.
 */

export class Teardowns {
  readonly #handlers: (() => unknown)[] = []

  teardown(handler: () => unknown): void {
    this.#handlers.unshift(handler)
  }

  async run(): Promise<void> {
    for (const handler of this.#handlers.splice(0)) await handler()
  }
}
