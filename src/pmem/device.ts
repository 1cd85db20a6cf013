// SPDX-License-Identifier: GPL-2.0-only
/**
 * A device that a file system can live on: a regular file, a block device, or devdax. Opening finds its true size and
 * its persistence domain, and locks out everybody else. Invariant: a device that was opened exclusively stays locked
 * until it is closed *and* its last window is unmapped, since a mapping keeps the open file (flock(2), mmap(2)).
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  statfsSync,
  unlinkSync,
  type BigIntStats,
} from 'node:fs'
import { dirname } from 'node:path'
import { getSystemErrorName } from 'node:util'
import { kernelName } from '../native/file-name.js'
import { MAP_COPY_ON_WRITE, MAP_READ_ONLY, MAP_SYNC, type Mapping, native } from '../native/index.js'
import { type BadBlockList, type BlockRun, badBlocksOf } from './bad-blocks.js'
import { type Clearing, clearingOf } from './clearing.js'
import { DeviceError, codeOf, deviceError } from './device-error.js'
import { devdaxGeometry, isWriteProtected } from './device-facts.js'
import { extentsOf } from './file-extents.js'
import {
  type Access,
  type OpenOptions,
  claimDevice,
  kindOf,
  openDescriptor,
  statDevice,
} from './device-open.js'
import { identityOf, isSameDevice } from './lock-holder.js'
import { type Mapper, nativeMapper } from './mapper.js'
import { nodeOfDevice } from './numa.js'
import {
  type DeviceKind,
  type Gathering,
  type PersistenceDomain,
  decideDomain,
  hugetlbfsMagic,
  summaryOf,
} from './persistence-domain.js'
import { linkOf, statOf } from './probe.js'

export { DeviceError } from './device-error.js'
export { isHeld } from './device-open.js'
export type { Access, OpenOptions } from './device-open.js'
export type { DeviceKind, PersistenceDomain } from './persistence-domain.js'

/** `copy-on-write`: stores stay in this process and never reach the device. */
export type WindowMode = Access | 'copy-on-write'

export interface Device {
  readonly path: string
  /** The same for all names and nodes of the device (identityOf). */
  readonly identity: string
  readonly kind: DeviceKind
  /** Whether it is a file that has no name left, as far as one can tell. */
  readonly isDeleted: boolean
  /** What it was opened for; {@link makeWritable} changes that. */
  readonly access: Access
  /** As it was when the device was opened, or {@link measure} was called last. */
  readonly sizeBytes: number
  /** A window's offset, and with devdax and huge pages its length too, is a multiple of this. */
  readonly alignBytes: number
  readonly domain: PersistenceDomain
  /** How its bad blocks are cleared. */
  readonly clearing: Clearing
  /** The NUMA node on which it lies; null where it is not known, or the machine has one node only. */
  readonly numaNode: number | null
  /**
   * Maps `lengthBytes` from `offsetBytes` on; a window is {@link windowLimitBytes} at most. It outlives close():
   * native.unmap() ends it.
   * @param over memory of that length to map it over (reserveMemory()), unless its mapper cannot; null: anywhere
   * @throws DeviceError EINVAL, EACCES, EFBIG (the mapper's limit) or what mmap(2) gives
   */
  mapWindow(offsetBytes: number, lengthBytes: number, mode: WindowMode, over?: Uint8Array | null): Mapping
  /** Whether {@link mapWindow} maps over memory. */
  readonly mapsOver: boolean
  /**
   * Reads what is open by read(2), wherever its path leads by now; fewer bytes where it ends. Devdax has no read(2).
   * @throws DeviceError EIO where a block cannot be read, or what else pread(2) gives
   */
  read(offsetBytes: number, lengthBytes: number): Uint8Array
  /** Finds out how large it is by now. @throws DeviceError */
  measure(): void
  /**
   * Opens a device for writing that was opened read-only, under the same lock. Windows stay as they are until
   * {@link remapWindow}. @throws DeviceError EROFS, EACCES or what else open(2) gives
   */
  makeWritable(): void
  /** Maps the same part of the device in the place of a window, in another mode. @throws DeviceError */
  remapWindow(window: Mapping, offsetBytes: number, mode: WindowMode): void
  /**
   * Has the disk under a file set aside room for these bytes, which makes the file as long as that needs; what it holds
   * stays. Other devices have their room. @returns whether that can be had, as some file systems offer no such thing
   * @throws DeviceError ENOSPC or what else fallocate(2) gives
   */
  takeRoom(offsetBytes: number, lengthBytes: number): boolean
  /** Its blocks that the kernel knew to be bad when it was opened, or {@link measure} was called last. */
  readonly badBlocks: readonly BlockRun[]
  /** Whether it may have known more of them, but does not list them. */
  readonly isBadListCut: boolean
  /** Sets the length of a file, durably. @throws DeviceError */
  resize(lengthBytes: number): void
  /**
   * Descriptor by which native.punchHole frees parts of it, until it is closed; -1 where that cannot be: devdax has no
   * such thing, and a device that was opened read-only has none before {@link makeWritable}.
   */
  readonly punchFd: number
  /** Closes the device; a second time does nothing. */
  close(): void
}

/**
 * What the devices are and what a loss of power takes away, in a line for people of each.
 * @param gathers of the mount, if there is one
 */
export function deviceLines(devices: readonly Device[], gathers?: Gathering): string[] {
  return devices.map((device) => deviceLine(device, gathers))
}

function deviceLine({ path, domain }: Device, gathers?: Gathering): string {
  const { advice } = domain
  return `${path} is ${summaryOf(domain, gathers)}${advice === null ? '' : `; ${advice}`}`
}

/** Windows are 1 GiB at most: a typed array of Node 20 has no more than 4 GiB, and offsets are 32-bit numbers. */
export const windowLimitBytes = 2 ** 30

const pageBytes = 4096
const EBADF = 9
/** The trial mapping; with devdax the alignment. */
const trialBytes = 2 ** 21

/** An opened device before its domain is known. */
interface Opened {
  readonly fd: number
  readonly path: string
  readonly identity: string
  readonly kind: DeviceKind
  readonly access: Access
  readonly number: bigint
  readonly sizeBytes: number
  readonly alignBytes: number
  /** f_type of the file system in which a file lies; null of other devices. */
  readonly fileSystem: number | null
}

/** Opens a device that exists. @throws DeviceError that names it, with code EBUSY if it is in use */
export function openDevice(path: string, options: OpenOptions): Device {
  try {
    return open(path, options)
  } catch (error) {
    if (error instanceof DeviceError) error.device = path
    throw error
  }
}

function open(path: string, options: OpenOptions): Device {
  const stats = statDevice(path)
  const kind = kindOf(path, stats)
  if (kind === 'block' && options.access === 'read-write' && isWriteProtected(stats.rdev))
    throw deviceError('EROFS', `cannot write to ${path}`)
  const fd = openDescriptor(path, kind, options)
  const prepare = (): number[] => (options.exclusive ? claim(fd, path, kind) : [])
  return makeOrClose(fd, path, options.access, prepare, { mapper: options.mapper })
}

/** @returns further descriptors that keep others away @throws DeviceError */
function claim(fd: number, path: string, kind: DeviceKind): number[] {
  const claimed = claimDevice(fd, path, kind)
  // Whoever had locked it before may have removed it.
  if (isNamed(fd, path)) return claimed
  claimed.forEach((descriptor) => closeSync(descriptor))
  throw deviceError('ENOENT', `cannot open ${path}`)
}

/** Whether a path leads to what is open. */
export function isNamed(fd: number, path: string): boolean {
  const there = statOf(path)
  return there !== null && isSameDevice(fstatSync(fd, { bigint: true }), there)
}

/**
 * Opens a regular file as a device, exclusively, and makes it (sparse, mode 0600) if it does not exist. A shorter one
 * is extended to `sizeBytes`; a longer one keeps its size. Holes get their blocks when they are stored to, unless
 * {@link Device.takeRoom} has taken them: a device whose disk is full by then fails.
 */
export function createFileDevice(path: string, sizeBytes: number): Device {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0)
    throw new DeviceError('EINVAL', `cannot create ${path}: ${sizeBytes} is no size in bytes`)
  const isNew = !existsSync(kernelName(path))
  if (!isNew && kindOf(path, statDevice(path)) !== 'file')
    throw new DeviceError('EEXIST', `cannot create ${path}: it is a device; open it as it is`)
  const flags = constants.O_RDWR | (isNew ? constants.O_CREAT | constants.O_EXCL : 0)
  let fd: number
  try {
    fd = openSync(kernelName(path), flags, 0o600)
  } catch (error) {
    throw deviceError(codeOf(error), `cannot create ${path}`, error)
  }
  const prepare = (): number[] => {
    const claimed = claim(fd, path, 'file')
    extend(fd, path, sizeBytes)
    if (isNew) syncFolder(dirname(path))
    return claimed
  }
  return makeOrClose(fd, path, 'read-write', prepare, {
    giveUp(error) {
      // One that somebody else has locked meanwhile is a file of theirs, as is another one of its name.
      if (isNew && codeOf(error) !== 'EBUSY' && isNamed(fd, path)) removeFile(path)
    },
  })
}

/** Where that fails, the file stays: the caller reports why it could not be used, and no second error. */
function removeFile(path: string): void {
  try {
    unlinkSync(kernelName(path))
  } catch {
    // It holds nothing yet.
  }
}

/**
 * A new device in RAM (memfd), for tests and emulation. Others open it by its `path` as long as it is open here.
 * @param domain how the domain of the device that it stands for differs from its own
 */
export function createMemoryDevice(sizeBytes: number, domain: Partial<PersistenceDomain> = {}): Device {
  const fd = native.memoryFile('pmfs2-device', sizeBytes)
  if (fd < 0)
    throw deviceError(getSystemErrorName(fd), `cannot create a device of ${sizeBytes} bytes in memory`)
  return makeOrClose(fd, `/proc/${process.pid}/fd/${fd}`, 'read-write', () => [], { domain })
}

interface Making {
  readonly domain?: Partial<PersistenceDomain>
  readonly mapper?: Mapper | undefined
  /** Comes before what is claimed is let go of. */
  readonly giveUp?: (error: unknown) => void
}

/** Does `prepare`, which may claim further descriptors, then makes a Device; closes all of them if either fails. */
function makeOrClose(
  fd: number,
  path: string,
  access: Access,
  prepare: () => number[],
  { domain = {}, mapper = nativeMapper, giveUp }: Making = {},
): Device {
  const descriptors = [fd]
  try {
    descriptors.push(...prepare())
    return new OpenDevice(measure(fd, path, access), descriptors, domain, mapper)
  } catch (error) {
    giveUp?.(error)
    for (const descriptor of descriptors) closeSync(descriptor)
    throw error
  }
}

function extend(fd: number, path: string, sizeBytes: number): void {
  if (fstatSync(fd).size < sizeBytes) setLength(fd, path, sizeBytes)
}

function setLength(fd: number, path: string, lengthBytes: number): void {
  try {
    ftruncateSync(fd, lengthBytes)
    fsyncSync(fd)
  } catch (error) {
    throw deviceError(codeOf(error), `cannot make ${path} ${lengthBytes} bytes long`, error)
  }
}

/** Makes the name of a new file durable. */
function syncFolder(folder: string): void {
  const fd = openSync(kernelName(folder), constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function measure(fd: number, path: string, access: Access): Opened {
  const stats = fstatSync(fd, { bigint: true })
  const kind = kindOf(path, stats)
  const around = kind === 'file' ? statfsSync(`/proc/self/fd/${fd}`) : null
  // It is signed where the kernel's long has 32 bits.
  const fileSystem = around === null ? null : around.type >>> 0
  const hugePageBytes = fileSystem === hugetlbfsMagic ? around!.bsize : null
  const { sizeBytes, alignBytes } = geometry(fd, path, kind, stats, hugePageBytes)
  if (sizeBytes === 0) throw new DeviceError('EINVAL', `cannot use ${path}: it is empty`)
  const number = kind === 'file' ? stats.dev : stats.rdev
  return { fd, path, identity: identityOf(stats), kind, access, number, sizeBytes, alignBytes, fileSystem }
}

function geometry(
  fd: number,
  path: string,
  kind: DeviceKind,
  stats: BigIntStats,
  hugePageBytes: number | null,
): { sizeBytes: number; alignBytes: number } {
  if (kind === 'file') return { sizeBytes: Number(stats.size), alignBytes: hugePageBytes ?? pageBytes }
  if (kind === 'devdax') {
    const known = devdaxGeometry(stats.rdev)
    if (known === null)
      throw new DeviceError(
        'ENODEV',
        `cannot use ${path}: its size is not in /sys; enable the namespace (ndctl enable-namespace)`,
      )
    return known
  }
  const sizeBytes = native.blockDeviceBytes(fd)
  if (sizeBytes < 0) throw deviceError(getSystemErrorName(sizeBytes), `cannot learn the size of ${path}`)
  return { sizeBytes, alignBytes: pageBytes }
}

/** Whether the device can be mapped so. Errors other than a refusal of the flags are thrown. */
function tryMapping(opened: Opened, flags: number): boolean {
  const { fd, path, kind, alignBytes, sizeBytes } = opened
  const lengthBytes =
    kind === 'file' && alignBytes === pageBytes ? Math.min(trialBytes, sizeBytes) : alignBytes
  const mapping = native.map(fd, 0, lengthBytes, flags | (opened.access === 'read-only' ? MAP_READ_ONLY : 0))
  if (mapping >= 0) {
    native.unmap(mapping as Mapping, null)
    return true
  }
  const code = getSystemErrorName(mapping)
  // EINVAL: from kernels before 4.15, which do not know MAP_SHARED_VALIDATE.
  if ((flags & MAP_SYNC) !== 0 && (code === 'EOPNOTSUPP' || code === 'ENOTSUP' || code === 'EINVAL'))
    return false
  throw deviceError(code, `cannot map ${path}`)
}

class OpenDevice implements Device {
  readonly path: string
  readonly identity: string
  readonly kind: DeviceKind
  readonly alignBytes: number
  readonly domain: PersistenceDomain
  readonly clearing: Clearing
  readonly mapsOver: boolean
  readonly #opened: Opened
  readonly #mapper: Mapper
  /** Flags of a window whose stores reach the device. */
  readonly #storing: number
  /** What is open for it, to be closed with it. */
  readonly #descriptors: number[]
  /** What windows are mapped from. */
  #source: number
  #access: Access
  #sizeBytes: number
  #badList: BadBlockList
  #isOpen = true

  /** @param descriptors what is open for it, which it closes @throws DeviceError where it cannot be mapped */
  constructor(
    opened: Opened,
    descriptors: readonly number[],
    given: Partial<PersistenceDomain>,
    mapper: Mapper,
  ) {
    const { fd, path, identity, kind, number, alignBytes, fileSystem } = opened
    const syncs = tryMapping(opened, MAP_SYNC)
    if (!syncs) tryMapping(opened, 0)
    const decided = decideDomain({ kind, path: `/proc/self/fd/${fd}`, device: number, fileSystem, syncs })
    const domain = { ...decided, ...given }
    this.path = path
    this.identity = identity
    this.kind = kind
    this.alignBytes = alignBytes
    this.domain = domain
    this.clearing = clearingOf(kind, number)
    this.mapsOver = mapper.mapOver !== null
    this.#opened = opened
    this.#mapper = mapper
    this.#storing = (syncs ? MAP_SYNC : 0) | domain.how
    this.#descriptors = [...descriptors]
    this.#source = fd
    this.#access = opened.access
    this.#sizeBytes = opened.sizeBytes
    this.#badList = this.#listBad()
  }

  get isDeleted(): boolean {
    if (this.kind !== 'file' || !this.#isOpen) return false
    // A file system whose server hangs is not asked, unless the kernel has seen the name go.
    const { fd } = this.#opened
    if (linkOf(`/proc/self/fd/${fd}`)?.endsWith(' (deleted)') !== true) return false
    try {
      return fstatSync(fd).nlink === 0
    } catch {
      return false
    }
  }

  get access(): Access {
    return this.#access
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  get numaNode(): number | null {
    return nodeOfDevice(this.kind, this.#opened.number)
  }

  get badBlocks(): readonly BlockRun[] {
    return this.#badList.runs
  }

  get isBadListCut(): boolean {
    return this.#badList.isCut
  }

  get punchFd(): number {
    return this.kind === 'devdax' || this.#access === 'read-only' ? -1 : this.#source
  }

  mapWindow(
    offsetBytes: number,
    lengthBytes: number,
    mode: WindowMode,
    over: Uint8Array | null = null,
  ): Mapping {
    const mapper = this.#mapper
    const where = `cannot map ${lengthBytes} bytes at ${offsetBytes} of ${this.path}`
    this.#checkWindow(offsetBytes, lengthBytes, mode, where)
    const flags = windowFlags(mode, this.#storing)
    const mapping =
      over === null || mapper.mapOver === null
        ? mapper.map(this.#source, offsetBytes, lengthBytes, flags)
        : mapper.mapOver(over, this.#source, offsetBytes, flags)
    if (mapping < 0) throw deviceError(getSystemErrorName(mapping), where)
    return mapping as Mapping
  }

  /** @throws DeviceError where there can be no such window */
  #checkWindow(offsetBytes: number, lengthBytes: number, mode: WindowMode, where: string): void {
    if (!this.#isOpen) throw new DeviceError('EBADF', `${where}: it is closed`)
    const problem = windowProblem(
      { ...this.#opened, sizeBytes: this.#sizeBytes },
      offsetBytes,
      lengthBytes,
      mode,
    )
    if (problem !== null) throw new DeviceError('EINVAL', `${where}: ${problem}`)
    if (this.#access === 'read-only' && mode === 'read-write')
      throw new DeviceError('EACCES', `${where}: it was opened read-only; map it read-only or copy-on-write`)
    const refusal = this.#mapper.refusalOf(offsetBytes, lengthBytes)
    if (refusal !== null) throw new DeviceError('EFBIG', `cannot map ${this.path}: ${refusal}`)
  }

  read(offsetBytes: number, lengthBytes: number): Uint8Array {
    const where = `cannot read ${this.path} at byte ${offsetBytes}`
    if (!this.#isOpen) throw new DeviceError('EBADF', `${where}: it is closed`)
    const bytes = new Uint8Array(lengthBytes)
    try {
      return bytes.subarray(0, readSync(this.#opened.fd, bytes, 0, lengthBytes, offsetBytes))
    } catch (error) {
      throw deviceError(codeOf(error), where, error)
    }
  }

  measure(): void {
    this.#sizeBytes = measure(this.#opened.fd, this.path, this.#access).sizeBytes
    this.#badList = this.#listBad()
  }

  #listBad(): BadBlockList {
    const { fd, kind, number, fileSystem } = this.#opened
    return badBlocksOf(kind, number, this.#sizeBytes, () => extentsOf(fd, fileSystem))
  }

  makeWritable(): void {
    if (this.#access === 'read-write') return
    this.#source = openWritable(this.#opened)
    this.#descriptors.push(this.#source)
    this.#access = 'read-write'
  }

  remapWindow(window: Mapping, offsetBytes: number, mode: WindowMode): void {
    const [source, storing] = [this.#source, this.#storing]
    const error = native.remap(window, source, offsetBytes, windowFlags(mode, storing))
    if (error < 0) throw deviceError(getSystemErrorName(error), `cannot map ${this.path} at ${offsetBytes}`)
  }

  takeRoom(offsetBytes: number, lengthBytes: number): boolean {
    if (this.kind !== 'file') return true
    const error = this.#isOpen ? native.allocate(this.#source, offsetBytes, lengthBytes) : -EBADF
    if (error === 0) return true
    const code = getSystemErrorName(error)
    if (code === 'EOPNOTSUPP' || code === 'ENOTSUP' || code === 'ENOSYS') return false
    throw deviceError(code, `cannot take ${lengthBytes} bytes of disk for ${this.path}`)
  }

  resize(lengthBytes: number): void {
    setLength(this.#source, this.path, lengthBytes)
    this.#sizeBytes = lengthBytes
  }

  close(): void {
    if (this.#isOpen) for (const descriptor of this.#descriptors) closeSync(descriptor)
    this.#isOpen = false
  }
}

/** The same file once more, for writing, whatever its path names by now. The lock stays with the first descriptor. */
function openWritable({ fd, path, kind, number }: Opened): number {
  if (kind === 'block' && isWriteProtected(number)) throw deviceError('EROFS', `cannot write to ${path}`)
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_RDWR)
  } catch (error) {
    throw deviceError(codeOf(error), `cannot open ${path} for writing`, error)
  }
}

/** What is wrong with a window of the device, or null. */
function windowProblem(
  opened: Opened,
  offsetBytes: number,
  lengthBytes: number,
  mode: WindowMode,
): string | null {
  const { kind, sizeBytes, alignBytes } = opened
  if (kind === 'devdax' && mode === 'copy-on-write')
    return 'devdax cannot be mapped copy-on-write: map it read-only'
  if (!Number.isSafeInteger(offsetBytes) || !Number.isSafeInteger(lengthBytes)) return 'not whole numbers'
  if (offsetBytes < 0 || lengthBytes <= 0 || offsetBytes + lengthBytes > sizeBytes)
    return `the device has ${sizeBytes} bytes`
  if (lengthBytes > windowLimitBytes) return `a window has ${windowLimitBytes} bytes at most`
  if (offsetBytes % alignBytes !== 0) return `the offset must be a multiple of ${alignBytes}`
  if (alignBytes > pageBytes && lengthBytes % alignBytes !== 0)
    return `the length must be a multiple of ${alignBytes}`
  return null
}

/** @param storing flags of a window whose stores reach the device */
function windowFlags(mode: WindowMode, storing: number): number {
  if (mode === 'copy-on-write') return MAP_COPY_ON_WRITE
  return mode === 'read-only' ? MAP_READ_ONLY : storing
}
