// SPDX-License-Identifier: GPL-2.0-only
/**
 * Windows that the package mmap-io maps: `--mapper mmap-io`. It is an optional dependency, and loaded only when it is
 * asked for. Its numbers have 32 bits and a sign: an offset from 2 GiB on becomes negative, and one from 4 GiB on wraps
 * around, which it maps without an error. So such a window is refused here. Flags reach mmap(2) as they are, MAP_SYNC
 * among them. package.json names its version exactly, because the errno of a failure is read from its message.
 */
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { MAP_COPY_ON_WRITE, MAP_READ_ONLY, MAP_SYNC, type Mapping, native } from '../native/index.js'
import { type Mapper, MapperError, type MapperName, nativeMapper } from './mapper.js'

/** What is used of the package. */
interface MmapIo {
  /** mmap(2). @throws Error whose message ends in the errno */
  map(lengthBytes: number, protection: number, flags: number, fd: number, offsetBytes: number): Buffer
  readonly PROT_READ: number
  readonly PROT_WRITE: number
  readonly MAP_SHARED: number
  readonly MAP_PRIVATE: number
}

/** It knows no names for these flags of mmap(2) (asm-generic/mman.h: the same for x86 and ARM). */
const MAP_SHARED_VALIDATE = 0x03
const MAP_NORESERVE = 0x4000
const MAP_SYNC_FLAG = 0x8_0000

const endBytes = 2 ** 31
const packageName = 'mmap-io'
const instead = 'without --mapper, no package is needed'

/** @throws MapperError as {@link loadMmapIo} */
export function mapperNamed(name: MapperName): Mapper {
  return name === 'mmap-io' ? loadMmapIo() : nativeMapper
}

/** @throws MapperError where the package is not there, or cannot be loaded */
export function loadMmapIo(): Mapper {
  const library = load()
  return {
    name: 'mmap-io',
    map: (fd, offsetBytes, lengthBytes, flags) => map(library, fd, offsetBytes, lengthBytes, flags),
    mapOver: null,
    refusalOf: (offsetBytes, lengthBytes) =>
      offsetBytes < endBytes && lengthBytes < endBytes
        ? null
        : 'mmap-io maps nothing from 2 GiB of a device on, as its offsets have 32 bits; use --mapper native',
  }
}

function load(): MmapIo {
  const require = createRequire(import.meta.url)
  try {
    require.resolve(packageName)
  } catch (error) {
    throw new MapperError(
      `mapper=mmap-io: the package mmap-io is not installed: install pmfs2 again without --omit=optional (in a clone: npm install), with CXXFLAGS=-std=gnu++20, a C++ compiler, make and python3; ${instead}`,
      { cause: error },
    )
  }
  try {
    return require(packageName) as MmapIo
  } catch (error) {
    const [reason] = (error instanceof Error ? error.message : String(error)).split('\n')
    throw new MapperError(
      `mapper=mmap-io: the package mmap-io is installed, but not built for Node ${process.versions.node} (CXXFLAGS=-std=gnu++20 npm rebuild mmap-io, with a C++ compiler, make and python3): ${reason!}; ${instead}`,
      { cause: error },
    )
  }
}

function map(
  library: MmapIo,
  fd: number,
  offsetBytes: number,
  lengthBytes: number,
  flags: number,
): Mapping | number {
  const { PROT_READ, PROT_WRITE } = library
  const protection = (flags & MAP_READ_ONLY) !== 0 ? PROT_READ : PROT_READ | PROT_WRITE
  let memory: Buffer
  try {
    memory = library.map(lengthBytes, protection, sharing(library, flags), fd, offsetBytes)
  } catch (error) {
    return -errnoOf(error)
  }
  return native.adopt(memory.buffer as ArrayBuffer, fd, offsetBytes, flags)
}

function sharing({ MAP_SHARED, MAP_PRIVATE }: MmapIo, flags: number): number {
  if ((flags & MAP_COPY_ON_WRITE) !== 0) return MAP_PRIVATE | MAP_NORESERVE
  return (flags & MAP_SYNC) === 0 ? MAP_SHARED : MAP_SHARED_VALIDATE | MAP_SYNC_FLAG
}

/** `mmap failed, 95`: the number is all that it tells. */
function errnoOf(error: unknown): number {
  const number = error instanceof Error ? /, (\d+)$/.exec(error.message)?.[1] : undefined
  if (number === undefined) throw error
  return Number(number) || constants.errno.EIO
}
