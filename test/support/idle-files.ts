// SPDX-License-Identifier: GPL-2.0-only
/** A file system that no request reaches, for workers of which only the start, pauses and the end are looked at. */
import { ForgetSender } from '../../src/fuse/forget-queue.js'
import type { Mapping } from '../../src/native/index.js'
import type { ServedFiles } from '../../src/daemon/worker-messages.js'

/** Called by the worker. @param queue of FORGETs that do not come */
export function openFiles(queue: Mapping): ServedFiles {
  const files = new ForgetSender(queue)
  const nothing = (): void => undefined
  return {
    files,
    memory: { windows: [] },
    forgets: null,
    fence: nothing,
    anew: () => files,
    failure: () => null,
    release: nothing,
  }
}
