// SPDX-License-Identifier: GPL-2.0-only
/** What the suites share: a directory per test, other processes and users, and content that tells where it belongs. */
import type { Test } from 'tap'
import { System, type Identity } from '../support/system.js'
import type { Target } from '../support/target.js'

/** The size of a page and of a block, around which off-by-one errors live. */
export const PAGE_BYTES = 4096

export const ALICE: Identity = { uid: 20001, gid: 20001, groups: [20100] }
export const BOB: Identity = { uid: 20002, gid: 20002, groups: [] }
/** A group of Alice's, besides her own. */
export const SHARED_GROUP = 20100

let scratches = 0

/** An empty directory of mode 0755 on the target, removed with all below it at the end of `t`. */
export async function scratch(t: Test, { directory, system }: Target): Promise<string> {
  scratches += 1
  const path = `${directory}/scratch-${scratches}`
  await system.mkdir(path, 0o755)
  t.teardown(() => system.removeTree(path))
  return path
}

/** A second process, as another user if an identity is given, that ends with `t`. */
export async function actor(t: Test, identity?: Identity): Promise<System> {
  const system = await System.start(identity)
  t.teardown(() => system.stop())
  return system
}

/** Bytes that differ from place to place and from seed to seed, none of them zero. */
export function pattern(lengthBytes: number, seed = 1): Buffer {
  const data = Buffer.allocUnsafe(lengthBytes)
  let state = (seed * 2654435761) >>> 0
  for (let i = 0; i < lengthBytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    data[i] = ((state >>> 24) % 255) + 1
  }
  return data
}

/** Numbers from 0 to below `bound`, the same in every run. */
export function sequence(seed: number): (bound: number) => number {
  let state = seed >>> 0
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
}

/** Long enough for every clock that file systems take times from to move on. */
export function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20))
}

/** Permission bits, with set-user-ID, set-group-ID and sticky. */
export const permissions = (mode: number): number => mode & 0o7777
