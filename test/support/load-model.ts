// SPDX-License-Identifier: GPL-2.0-only
/**
 * Calls on the files of one directory: chosen at random, made on a mount, or applied to a model of it. What a client
 * was told is done has to be there, whatever became of the server afterwards.
 */
import { closeSync, constants, openSync, renameSync, truncateSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { pattern } from '../posix/fixture.js'
import type { Random } from './random.js'

const { O_CREAT, O_EXCL, O_SYNC, O_WRONLY } = constants
const names = 12
const mostBytes = 2 ** 18
const mostWriteBytes = 2 ** 16
/** What a store to persistent memory changes whole or not at all. */
const atomBytes = 8

export type Call =
  | { readonly kind: 'create'; readonly name: string }
  | {
      readonly kind: 'write'
      readonly name: string
      readonly offset: number
      readonly bytes: number
      readonly seed: number
    }
  | { readonly kind: 'truncate'; readonly name: string; readonly bytes: number }
  | { readonly kind: 'rename'; readonly name: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly name: string }

/** Files by name, with their contents. */
export type Files = ReadonlyMap<string, Buffer>

export function chooseCall(random: Random, files: Files): Call {
  const any = (): string => `file-${random.below(names)}`
  const name = any()
  if (!files.has(name)) return { kind: 'create', name }
  const kind = random.of(['write', 'write', 'write', 'write', 'rename', 'truncate', 'unlink'] as const)
  if (kind === 'write') {
    const bytes = 1 + random.below(random.of([100, 4096, mostWriteBytes]))
    return { kind, name, offset: random.below(mostBytes - bytes), bytes, seed: random.below(2 ** 31) }
  }
  if (kind === 'truncate') return { kind, name, bytes: random.below(mostBytes) }
  const to = any()
  return kind === 'rename' && to !== name ? { kind, name, to } : { kind: 'unlink', name }
}

/** What the files are after a call. */
export function applyCall(files: Files, call: Call): Files {
  const after = new Map(files)
  const old = files.get(call.name) ?? Buffer.alloc(0)
  if (call.kind === 'create') after.set(call.name, old)
  else if (call.kind === 'write') {
    const contents = resized(old, Math.max(old.length, call.offset + call.bytes))
    pattern(call.bytes, call.seed).copy(contents, call.offset)
    after.set(call.name, contents)
  } else if (call.kind === 'truncate') after.set(call.name, resized(old, call.bytes))
  else {
    after.delete(call.name)
    if (call.kind === 'rename') after.set(call.to, old)
  }
  return after
}

/** Makes the call; when it returns, the server has said that it is done. */
export function makeCall(directory: string, call: Call): void {
  const path = join(directory, call.name)
  if (call.kind === 'create') closeSync(openSync(path, O_WRONLY | O_CREAT | O_EXCL))
  else if (call.kind === 'write') writeAt(path, call.offset, pattern(call.bytes, call.seed))
  else if (call.kind === 'truncate') truncateSync(path, call.bytes)
  else if (call.kind === 'rename') renameSync(path, join(directory, call.to))
  else unlinkSync(path)
}

function writeAt(path: string, offset: number, data: Buffer): void {
  const fd = openSync(path, O_WRONLY | O_SYNC)
  try {
    // The kernel sends what does not begin on a page in parts, and tells how far it came before a part failed.
    for (let at = 0; at < data.length;) at += writeSync(fd, data, at, data.length - at, offset + at)
  } finally {
    closeSync(fd)
  }
}

function resized(old: Buffer, bytes: number): Buffer {
  const contents = Buffer.alloc(bytes)
  old.copy(contents)
  return contents
}

/** What a client noted: the calls that were done, and the one that it did not hear about any more. */
export interface Journal {
  readonly done: readonly Call[]
  readonly inFlight: Call | null
}

/** What is wrong with the files that are there; null if they are as the journal says. */
export function judge(found: Files, journal: Journal): string | null {
  const before = journal.done.reduce<Files>(applyCall, new Map())
  const problem = firstDifference(found, before)
  const { inFlight } = journal
  if (problem === null || inFlight === null) return problem
  const after = applyCall(before, inFlight)
  if (firstDifference(found, after) === null) return null
  if (inFlight.kind === 'write' && isPartOfWrite(found, before, after, inFlight.name)) return null
  return `${problem}, and it is not the result of ${JSON.stringify(inFlight)} either`
}

/** The first difference, in words. */
export function firstDifference(found: Files, wanted: Files): string | null {
  for (const [name, contents] of wanted) {
    const there = found.get(name)
    if (there === undefined) return `${name} is missing`
    if (there.length !== contents.length) return `${name} has ${there.length} bytes, not ${contents.length}`
    const at = there.equals(contents) ? -1 : there.findIndex((byte, n) => byte !== contents[n])
    if (at >= 0) return `${name} differs from byte ${at} on`
  }
  for (const name of found.keys()) if (!wanted.has(name)) return `${name} should not be`
  return null
}

/** An overwrite that was cut off has changed some of its bytes: each eight at a time. */
function isPartOfWrite(found: Files, before: Files, after: Files, name: string): boolean {
  const [there, old, next] = [found.get(name), before.get(name), after.get(name)]
  if (there === undefined || old === undefined || next === undefined) return false
  if (firstDifference(without(found, name), without(before, name)) !== null) return false
  if (there.length < old.length || there.length > next.length) return false
  const from = resized(old, there.length)
  for (let at = 0; at < there.length; at += atomBytes) {
    const atom = there.subarray(at, at + atomBytes)
    const isOld = atom.equals(from.subarray(at, at + atomBytes))
    if (!isOld && !atom.equals(next.subarray(at, at + atom.length))) return false
  }
  return true
}

function without(files: Files, name: string): Files {
  return new Map([...files].filter(([other]) => other !== name))
}
