// SPDX-License-Identifier: GPL-2.0-only
/** The worker thread that serves a volume. */
import * as engineFiles from './engine-files.js'
import { runWorker } from './worker.js'
import type { FilesModule } from './worker-messages.js'

await runWorker(() => Promise.resolve(engineFiles as FilesModule))
