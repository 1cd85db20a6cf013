// SPDX-License-Identifier: GPL-2.0-only
/** All workloads, in the order in which they run. */
import { durableWrite } from './durable-write.js'
import { filesFlat, filesTree } from './files.js'
import { fioLines } from './fio-lines.js'
import { fioWorkload } from './fio.js'
import { memory } from './memory.js'
import { mountTime } from './mount.js'
import { gitStatus, tar } from './programs.js'
import type { Workload } from './workload.js'

export const workloads: readonly Workload[] = [
  ...fioLines.map(fioWorkload),
  durableWrite,
  filesFlat,
  filesTree,
  tar,
  gitStatus,
  mountTime,
  memory,
]
