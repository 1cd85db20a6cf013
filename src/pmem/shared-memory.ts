// SPDX-License-Identifier: GPL-2.0-only
/** Waiting on words of memory that threads share: futex(2) behind two calls. */
import { native } from '../native/index.js'
import type { TransferBuffer } from './transfer-buffer.js'

export { LOCK_WAITED } from '../native/index.js'

/** Sleeps while the word holds `expected`, or `timeoutMs` have passed; may wake early. */
export function waitWhile(memory: TransferBuffer, word: number, expected: number, timeoutMs: number): void {
  native.futexWait(memory.mapping, word * 4, expected, timeoutMs)
}

/** Wakes at most `count` threads that sleep on the word. */
export function wake(memory: TransferBuffer, word: number, count: number): void {
  native.futexWake(memory.mapping, word * 4, count)
}
