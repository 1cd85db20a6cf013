// SPDX-License-Identifier: GPL-2.0-only
import { Locks } from '../../src/fs/locks.js'
import type { TearsDown } from './temporary.js'

/**
 * Has something happen wherever a call that frees in parts lets others in between two of them, but not within what
 * happens itself. @param happens is given how often it has happened, with this time @returns how often that was so far
 */
export function between(t: TearsDown, happens: (time: number) => void): () => number {
  const plain = Reflect.get(Locks.prototype, 'yieldMetadata')
  let times = 0
  let inside = false
  Locks.prototype.yieldMetadata = function (this: Locks): void {
    plain.call(this)
    if (inside) return
    inside = true
    happens(++times)
    inside = false
  }
  t.teardown(() => (Locks.prototype.yieldMetadata = plain))
  return () => times
}
