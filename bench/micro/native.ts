// SPDX-License-Identifier: GPL-2.0-only
/**
 * The native helper: what a crossing costs by itself, and copies to the medium that are durable at its return. How a
 * copy is best made (plain or non-temporal stores) is timed by bench/client/durable-write.c.
 */
import { LIST_HEADER_WORDS, type Mapping, STEP_COPY, STEP_FLUSH, native } from '../../src/native/index.js'
import { createTransferBuffer } from '../../src/pmem/transfer-buffer.js'
import type { Case, Subject } from './subject.js'

const kibibyte = 1024
const mebibyte = 1024 * kibibyte
/** Where copies go: more than the caches hold, as a file's data is. */
const rangeBytes = 128 * mebibyte
const listBytes = 4 * kibibyte

/** A list of one step, and a way to send its target elsewhere each time. */
function persistCase(name: string, kind: number, bytes: number, to: Mapping, from: Mapping): Case {
  const list = createTransferBuffer('bench list', listBytes)
  const step = LIST_HEADER_WORDS
  list.words.set([1, kind, to, 0, bytes, from, 0])
  let at = 0
  return {
    name,
    callsPerSample: bytes < mebibyte ? 4096 : 256,
    call: () => {
      // Far apart, so that the processor does not see it coming.
      at = (at + 8191 * 4096) % rangeBytes
      list.words[step + 2] = at
      if (native.persist(list.mapping, 0) !== 0) throw new Error('persist was refused')
    },
  }
}

export const nativeHelper: Subject = {
  title: 'native helper',
  prepare() {
    const to = createTransferBuffer('bench medium', rangeBytes + mebibyte)
    const from = createTransferBuffer('bench data', mebibyte)
    to.bytes.fill(1)
    from.bytes.fill(2)
    const empty = createTransferBuffer('bench list', listBytes)
    return [
      { name: 'a call that does nothing', call: () => void native.zero(to.mapping, 0, 0) },
      { name: 'persist, an empty list (a fence)', call: () => void native.persist(empty.mapping, 0) },
      persistCase('persist, one line to flush', STEP_FLUSH, 64, to.mapping, from.mapping),
      persistCase('persist, one copy of 64 B', STEP_COPY, 64, to.mapping, from.mapping),
      persistCase('persist, one copy of 4 KiB', STEP_COPY, 4 * kibibyte, to.mapping, from.mapping),
      persistCase('persist, one copy of 1 MiB', STEP_COPY, mebibyte, to.mapping, from.mapping),
    ]
  },
}
