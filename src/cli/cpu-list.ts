// SPDX-License-Identifier: GPL-2.0-only
/** The processors that `--cpus` names. */
import { allowedCpus, parseCpuList } from '../daemon/processors.js'
import { UsageError } from './command-error.js'

/** None where the option was not given. @throws UsageError */
export function chosenCpus(list: string | null): number[] {
  if (list === null) return []
  const cpus = parseCpuList(list)
  if (cpus === null)
    throw new UsageError(`cpus=${list} is not a list of processors; 0 and 0,2-3 are, for example`)
  const allowed = new Set(allowedCpus())
  const missing = cpus.find((cpu) => !allowed.has(cpu))
  if (missing === undefined) return cpus
  throw new UsageError(`cpus=${list}: there is no processor ${missing} here, or it may not be used`)
}
