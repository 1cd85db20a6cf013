// SPDX-License-Identifier: GPL-2.0-only
/**
 * Looks at the thread that made a request, for what the request itself does not tell. The thread waits for the reply
 * meanwhile, so its system call cannot change.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { NO_USER } from './message.js'

/**
 * The numbers of chown(2), fchown(2), lchown(2) and fchownat(2), those of 32-bit programs included. In the other ABI of
 * the same machine each of these numbers is a call that does not write to files.
 */
const chownCalls: Partial<Record<NodeJS.Architecture, readonly number[]>> = {
  x64: [92, 93, 94, 260, 16, 95, 182, 198, 207, 212, 298],
  arm64: [54, 55, 16, 95, 182, 198, 207, 212, 325],
}
const ofThisMachine = chownCalls[process.arch] ?? []

/** What /proc says of a thread that has a processor, or is to have one (proc(5)). */
const running = 'running\n'
/** A thread that has sent its request may not sleep yet. It is looked at so often, and waited for in between. */
const mostLooks = 200
const lookAgainMs = 1
const never = new Int32Array(new SharedArrayBuffer(4))

/**
 * Whether a thread that waits for a reply is in chown(2) or one of its kin. False also where that cannot be seen: the
 * server may not trace the thread, or the thread lives outside the server's PID namespace (0). An unprivileged server
 * misses nothing by this, because its mounts are nosuid.
 */
export function isInChown(thread: number, proc = '/proc'): boolean {
  if (thread === 0) return false
  try {
    for (let looks = 0; looks < mostLooks; looks++) {
      const call = readFileSync(`${proc}/${thread}/syscall`, 'latin1')
      if (call !== running) return ofThisMachine.includes(Number.parseInt(call, 10))
      Atomics.wait(never, 0, 0, lookAgainMs)
    }
    return false
  } catch {
    return false
  }
}

/** The inode number of the initial PID namespace (PID_NS_INIT_INO of linux/nsfs.h). */
const initialPidNamespace = 'pid:[4026531836]'

/**
 * Whether {@link userOf} finds out about every caller: the server is root and in the initial PID namespace, so that
 * each thread has a number for it.
 */
export function seesAllCallers(): boolean {
  try {
    return process.geteuid?.() === 0 && readlinkSync('/proc/self/ns/pid') === initialPidNamespace
  } catch {
    return false
  }
}

/**
 * The file system user of a thread that waits for a reply. Where mounts may be id-mapped, no request names it but those
 * that create, so this reads /proc: it is for rare cases.
 * @param uid what the request says
 * @returns NO_USER where that cannot be seen
 */
export function userOf(thread: number, uid: number): number {
  return uid === NO_USER ? (fileSystemUser(thread) ?? NO_USER) : uid >>> 0
}

const CAP_SYS_ADMIN = 21n

/**
 * Whether a thread that waits for a reply may do what is for administrators: it has CAP_SYS_ADMIN in the server's user
 * namespace, or it runs as the user whose server this is, if that is not root.
 */
export function mayAdminister(thread: number, uid: number): boolean {
  const own = process.geteuid?.() ?? 0
  return (own !== 0 && uid === own) || isSystemAdministrator(thread, uid)
}

/**
 * Whether a thread that waits for a reply has CAP_SYS_ADMIN in the server's user namespace. Where that cannot be seen,
 * root has it, and nobody else.
 */
export function isSystemAdministrator(thread: number, uid: number): boolean {
  const capabilities = effectiveCapabilities(thread)
  return capabilities === null ? uid === 0 : ((capabilities >> CAP_SYS_ADMIN) & 1n) === 1n
}

/** In the numbers of the server's user namespace. @returns null where that cannot be seen */
function fileSystemUser(thread: number): number | null {
  const digits = statusOf(thread, /^Uid:(?:\s+\d+){3}\s+(\d+)$/m)
  return digits === null ? null : Number(digits)
}

/** In the server's user namespace: 0 for a thread of another one. @returns null where that cannot be seen */
function effectiveCapabilities(thread: number): bigint | null {
  const digits = statusOf(thread, /^CapEff:\s*([0-9a-f]+)$/m)
  if (digits === null) return null
  try {
    const isOurs = readlinkSync(`/proc/${thread}/ns/user`) === readlinkSync('/proc/self/ns/user')
    return isOurs ? BigInt(`0x${digits}`) : 0n
  } catch {
    return null
  }
}

/** What a pattern encloses in the status of a thread. @returns null where that cannot be seen */
function statusOf(thread: number, pattern: RegExp): string | null {
  if (thread === 0) return null
  try {
    return pattern.exec(readFileSync(`/proc/${thread}/status`, 'latin1'))?.[1] ?? null
  } catch {
    return null
  }
}
