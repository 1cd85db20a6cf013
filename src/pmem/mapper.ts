// SPDX-License-Identifier: GPL-2.0-only
/**
 * What maps the windows of a device: the native helper, or a library that people want to use for that. However a window
 * was mapped, the native helper makes durable what is stored in it.
 */
import { native } from '../native/index.js'

export const mapperNames = ['native', 'mmap-io'] as const
export type MapperName = (typeof mapperNames)[number]

export interface Mapper {
  readonly name: MapperName
  /** As native.map, of a window that {@link refusalOf} does not refuse. @returns a mapping or a negative errno */
  map(fd: number, offsetBytes: number, lengthBytes: number, flags: number): number
  /** As native.mapOver; null where it cannot be told where to map. */
  readonly mapOver: ((memory: Uint8Array, fd: number, offsetBytes: number, flags: number) => number) | null
  /** Why a part of a device cannot be mapped so, and what can map it; null where it can be. */
  refusalOf(offsetBytes: number, lengthBytes: number): string | null
}

/** Why a mapper cannot be used, and what helps. */
export class MapperError extends Error {
  override readonly name = 'MapperError'
}

export const nativeMapper: Mapper = {
  name: 'native',
  map: (fd, offsetBytes, lengthBytes, flags) => native.map(fd, offsetBytes, lengthBytes, flags),
  mapOver: (memory, fd, offsetBytes, flags) => native.mapOver(memory, fd, offsetBytes, flags),
  refusalOf: () => null,
}
