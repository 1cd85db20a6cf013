// SPDX-License-Identifier: GPL-2.0-only
/** Mapped memory for a test, unmapped when the test is over; and errno numbers by name. */
import { closeSync } from 'node:fs'
import { constants } from 'node:os'
import {
  LIST_HEADER_WORDS,
  type Mapping,
  STEP_COPY,
  STEP_FENCE,
  STEP_FLUSH,
  STEP_STORE64,
  STEP_WORDS,
  native,
} from '../../src/native/index.js'
import type { TearsDown } from '../support/temporary.js'

export const { errno } = constants

export interface Memory {
  readonly mapping: Mapping
  readonly bytes: Uint8Array
  readonly words: Int32Array
}

export function memoryOf(t: TearsDown, mapping: number): Memory {
  if (mapping < 0) throw new Error(`not mapped: ${mapping}`)
  const buffer = native.view(mapping as Mapping)
  t.teardown(() => {
    if (buffer.byteLength !== 0) native.unmap(mapping as Mapping, buffer)
  })
  return { mapping: mapping as Mapping, bytes: new Uint8Array(buffer), words: new Int32Array(buffer) }
}

export function anonymous(t: TearsDown, lengthBytes: number): Memory {
  return memoryOf(t, native.mapAnonymous(lengthBytes))
}

/** Memory in RAM of which the helper believes that this makes its stores durable. @param how PERSIST_* */
export function memoryFor(t: TearsDown, how: number, lengthBytes: number): Memory {
  const fd = native.memoryFile('pmfs2-test', lengthBytes)
  if (fd < 0) throw new Error(`no memory: ${fd}`)
  const memory = memoryOf(t, native.map(fd, 0, lengthBytes, how))
  closeSync(fd)
  return memory
}

/** A step of {@link persist}: its kind and the words that follow. */
export type Step = readonly [kind: number, ...rest: number[]]

export const fenced: Step = [STEP_FENCE]

export const flushed = (mapping: number, offset: number, length: number): Step => [
  STEP_FLUSH,
  mapping,
  offset,
  length,
]

export const copied = (
  to: number,
  toOffset: number,
  from: number,
  fromOffset: number,
  length: number,
): Step => [STEP_COPY, to, toOffset, length, from, fromOffset]

export const stored64 = (mapping: number, offset: number, low: number, high: number): Step => [
  STEP_STORE64,
  mapping,
  offset,
  low,
  high,
]

/** Lays the steps out in a list and has them carried out. */
export function persist(list: Memory, ...steps: readonly Step[]): number {
  list.words[0] = steps.length
  steps.forEach((step, n) => list.words.set(step, LIST_HEADER_WORDS + n * STEP_WORDS))
  return native.persist(list.mapping, 0)
}
