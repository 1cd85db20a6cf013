// SPDX-License-Identifier: GPL-2.0-only
/** The worker thread that serves what a module makes, whichever its setting names. */
import { runWorker } from './worker.js'
import type { FilesModule } from './worker-messages.js'

await runWorker(({ module }) => import(module!) as Promise<FilesModule>)
