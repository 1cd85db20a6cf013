// SPDX-License-Identifier: GPL-2.0-only

/** The other requests of a worker that has a long one in hand. */
export interface Others {
  /**
   * Serves requests that have come, as far as this thread can get at them, and waits for none. Whoever calls it holds no
   * lock and has all that it needs on its stack: the same objects serve the others.
   */
  serveOthers(): void
}

/** Where requests do not queue up: whoever calls the engine directly waits for the whole call. */
export const nobody: Others = { serveOthers: () => undefined }
