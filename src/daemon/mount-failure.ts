// SPDX-License-Identifier: GPL-2.0-only
/** Why a mount ended that was being served, in words for people: the device, a limit of the system, or a defect. */
import { shellWord } from '../native/shell-word.js'
import { adviceOn, codeOf, DeviceError } from '../pmem/device-error.js'
import { MountError, exitSystem } from './mount-error.js'

/**
 * A worker could not load its modules. A limit of the system may be the cause, and Node does not always say so: without
 * a descriptor to look a file up by, it reports that a package is missing, or takes a module for a script.
 */
export class LoadError extends Error {
  override readonly name = 'LoadError'

  constructor(cause: unknown) {
    super(`a worker could not load the program: ${reasonOf(cause)}`, { cause })
  }
}

/** What Node calls it where a thread cannot be had (pthread_create(3): EAGAIN), or has used up its memory. */
const noThread =
  'no further thread can be had: raise the limit of threads (ulimit -u, pids.max of the control group) or of memory, or start fewer --workers'
const refusals: Readonly<Record<string, string>> = {
  EAGAIN: noThread,
  ERR_WORKER_INIT_FAILED: noThread,
  ERR_WORKER_OUT_OF_MEMORY: 'there was no memory left for it',
  EMFILE: adviceOn('EMFILE'),
  ENFILE: adviceOn('ENFILE'),
  ENOMEM: adviceOn('ENOMEM'),
}

/**
 * @param place where the dead mount is still seen, or null
 * @param lacksDescriptors whether the workers may have run out of descriptors
 */
export function workerFailure(cause: unknown, place: string | null, lacksDescriptors: () => boolean): Error {
  if (cause instanceof DeviceError) return deviceFailure(cause, place)
  const { lead, advice } = wordsFor(place)
  const refusal = refusalOf(cause, lacksDescriptors)
  if (refusal !== undefined) {
    const what = place === null ? 'a worker cannot be started: ' : `${lead}a worker ended: `
    return new MountError(what + refusal + advice, exitSystem, { cause })
  }
  if (cause instanceof LoadError) return new Error(cause.message + advice, { cause })
  return new Error(`a worker failed, and the mount with it: ${reasonOf(cause)}${advice}`, { cause })
}

/** The same where no workers serve it. @param place where the dead mount is seen */
export function mountFailure(cause: unknown, place: string): Error {
  if (cause instanceof DeviceError) return deviceFailure(cause, place)
  const { lead, advice } = wordsFor(place)
  return new Error(lead + reasonOf(cause) + advice, { cause })
}

function deviceFailure(cause: DeviceError, place: string | null): DeviceError {
  const { lead, advice } = wordsFor(place)
  return new DeviceError(cause.code, lead + cause.message + advice, { cause })
}

/** What goes before and after the reason. */
function wordsFor(place: string | null): { lead: string; advice: string } {
  if (place === null) return { lead: '', advice: '' }
  const advice = `; programs get ENOTCONN at ${place} until it is unmounted (pmfs2-fuse umount ${shellWord(place)}); then check the device and mount it again`
  return { lead: 'the mount has failed: ', advice }
}

/** Which limit of the system is the cause, and what helps; undefined where none is. */
function refusalOf(error: unknown, lacksDescriptors: () => boolean): string | undefined {
  if (!(error instanceof LoadError)) return limitOf(error)
  const limit = limitOf(error.cause)
  if (limit !== undefined || !lacksDescriptors()) return limit
  return `it could not load the program (${reasonOf(error.cause)}): raise the limit (ulimit -n) or start fewer --workers`
}

/** The same of a limit that the error names. */
function limitOf(error: unknown): string | undefined {
  const code = codeOf(error)
  // Node has the errno in the message only. Beside a thread, a worker needs descriptors to begin.
  const errno = code === 'ERR_WORKER_INIT_FAILED' ? /\bE[A-Z]+$/.exec(reasonOf(error))?.[0] : undefined
  return refusals[errno ?? code] ?? refusals[code]
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
