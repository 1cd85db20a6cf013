// SPDX-License-Identifier: GPL-2.0-only
/** Mapped memory for a test, unmapped when the test is over; and errno numbers by name. */
import { constants } from 'node:os'
import { type Mapping, native } from '../../src/native/index.js'
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
  return memoryOf(t, native.mapAnonymous('pmfs2-test', lengthBytes))
}
