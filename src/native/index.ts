// SPDX-License-Identifier: GPL-2.0-only
/**
 * The native helper, typed. It maps, flushes, fences, copies and does the system calls of the FUSE
 * channel; it knows no file system.
 *
 * Memory is named by a *mapping*: a small number that holds for the whole process, so that every worker
 * thread can name the same memory. Calls on the request path take whole numbers only (no object, no
 * array), because unpacking those costs more than the call. Every offset is checked against its mapping:
 * -EINVAL where it does not fit or the mapping does not exist, -EACCES for a store to a read-only mapping.
 * A list is checked as it is gone through: what stands before a bad entry has been done.
 *
 * Calls return a value or a negative errno. Only a wrong argument type throws (and {@link Native.view}).
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findPackageRoot } from './package-root.js'

declare const mappingBrand: unique symbol
/** Names mapped memory in this process. */
export type Mapping = number & { readonly [mappingBrand]: true }

/** Flags of {@link Native.map}. */
export const MAP_READ_ONLY = 1
/** Copy-on-write: stores stay in this process and never reach the file. */
export const MAP_COPY_ON_WRITE = 2
/** MAP_SHARED_VALIDATE | MAP_SYNC: succeeds only where a flushed cache line is durable (mmap(2)). */
export const MAP_SYNC = 4

/** Flags of {@link Native.map} as well: how {@link Native.persist} makes what is stored durable. By cache lines. */
export const PERSIST_CACHE_LINES = 0
/** eADR: caches are inside the persistence domain; only the fence is needed. */
export const PERSIST_FENCE_ONLY = 8
/** The memory is pages of a file or block device, which is written and synced as a whole (fdatasync(2)). */
export const PERSIST_PAGES = 16

/** Words before the first step of a list for {@link Native.persist}: how many steps. */
export const LIST_HEADER_WORDS = 1
/** Words of one step: its kind, and up to five more. */
export const STEP_WORDS = 6
/** STEP_FLUSH, mapping, offset, length (bytes) */
export const STEP_FLUSH = 0
/** STEP_COPY, to mapping, to offset, length (bytes), from mapping, from offset */
export const STEP_COPY = 1
/** STEP_STORE64, mapping, offset (a multiple of 8), low word, high word */
export const STEP_STORE64 = 2
/** STEP_FENCE: what the steps before it did is durable before the steps after it do anything */
export const STEP_FENCE = 3
/** Bit of a lock that has several holders, which the bits below count: someone sleeps on the word. */
export const LOCK_WAITED = 0x4000_0000
/** Words of one piece of a reply: mapping, offset, length (bytes). */
export const PIECE_WORDS = 3

/**
 * The exchange block: 32-bit words through which a worker and {@link Native.exchange} talk.
 * The reply (fuse_out_header and the opcode's struct) lies from word `reply` on.
 */
export const exchangeBlock = {
  /** in: descriptor of /dev/fuse */
  fd: 0,
  /** in: bytes of header and struct to send; 0 = no reply to send */
  replyBytes: 1,
  /** in: how many pieces of mapped memory follow the struct in the reply */
  pieceCount: 2,
  /** in: where the list of pieces begins, in bytes from the start of the exchange block's mapping */
  pieceListOffset: 3,
  /** in: mapping, offset and capacity (bytes) of the buffer for the next request */
  requestMapping: 4,
  requestOffset: 5,
  requestCapacity: 6,
  /**
   * out: CLOCK_REALTIME when the request arrived, or when a look for one found none; seconds are a signed 64-bit number
   */
  secondsLow: 7,
  secondsHigh: 8,
  nanoseconds: 9,
  /** in: set to STOP or PAUSE by another thread (then interruptThread) to make exchange return -EINTR */
  stop: 10,
  /**
   * out: errno of the reply if the kernel did not take it, else 0. ENOENT: the request was interrupted. Any other is a
   * defect (EINVAL: a malformed reply); the program that made the request then gets EIO instead, so as not to hang.
   */
  replyErrno: 11,
  /**
   * in: mapping and offset of a lock (see {@link LOCK_WAITED}) that is let go of once the reply has been sent and its
   * pieces have been read; mapping 0 = none, and it is 0 again afterwards
   */
  releaseMapping: 12,
  releaseOffset: 13,
  /** in: non-zero = send the reply, and return 0 without waiting for a request */
  replyOnly: 14,
  /** in: non-zero = wait so long for a request (negative: not at all), and return -EAGAIN if none has come */
  timeoutMs: 15,
  /** in: non-zero = tell CLOCK_REALTIME_COARSE instead */
  coarseTime: 16,
  /** in: value of the attention word ({@link Native.failures}) up to which the caller has heard of bad pages */
  attended: 17,
  /** where the reply begins; a multiple of 8 bytes */
  reply: 18,
} as const

/**
 * The ring block: the same for a worker and {@link Native.exchangeRing}. Header and payload of every entry lie in the
 * block's mapping. The header (struct fuse_uring_req_header, 288 bytes) has the request's fuse_in_header, which the
 * reply's fuse_out_header replaces, at byte 0, and the opcode's struct at byte 128.
 */
export const ringBlock = {
  /** in: descriptor of /dev/fuse */
  fd: 0,
  /** in: where the headers begin, {@link RING_HEADER_BYTES} each, in bytes from the start of the mapping */
  headersOffset: 1,
  /** in: where the payloads begin, and the bytes of each */
  payloadsOffset: 2,
  payloadBytes: 3,
  /** in: pieces of mapped memory that follow the reply's struct in the payload, and where their list begins */
  pieceCount: 4,
  pieceListOffset: 5,
  /** in: the entry whose reply is ready, -1 = none; it is -1 afterwards */
  replyEntry: 6,
  /** in: bytes of the reply's struct, which lies at the start of the entry's payload */
  replyBytes: 7,
  /** in: as in the exchange block */
  releaseMapping: 8,
  releaseOffset: 9,
  /** out: as in the exchange block */
  secondsLow: 10,
  secondsHigh: 11,
  nanoseconds: 12,
  /** in: as in the exchange block */
  stop: 13,
  /** in: how long to look for the next request before the thread sleeps; 0 = not at all, -1 = while it is worth it */
  pollMicroseconds: 14,
  /** in: non-zero = return -EAGAIN if no request is at hand */
  noWait: 15,
  /** in: as in the exchange block */
  coarseTime: 16,
  attended: 17,
} as const

/** Memory is bad: an error of native calls only, no program gets it. */
export const EHWPOISON = 133

/** Words of {@link Native.failures}. */
export const failureWord = { attention: 0, count: 1, badPages: 2 } as const

/**
 * Words of an entry of {@link Native.badPages}: its mapping (not positive: none), the number of the page in it, and
 * whether zeros have taken its place (1), which only a load or a store of JavaScript brings about. A page is a block.
 */
export const badPage = { mapping: 0, page: 1, isReplaced: 2, words: 3 } as const

/** Values of a stop word: the thread is to end; or it is to come back, and will go on. */
export const STOP = 1
export const PAUSE = 2

/** From one entry's header to the next. */
export const RING_HEADER_BYTES = 512
/** Where the opcode's struct lies in a header, and where the bytes of the payload that came are told. */
export const ringHeader = { argument: 128, payloadBytes: 272 } as const

/** A name for the kernel: a string is handed on as UTF-8, a Buffer as it is. */
export type Name = string | Buffer

export interface Native {
  /**
   * mmap(2) of `lengthBytes` of a file or device at `offsetBytes`, shared and writable unless flags say
   * otherwise; 2 GiB at most (-EFBIG). A load or store that the file or device cannot carry out (past its end, or into
   * a hole that the disk has no room for: SIGBUS) finds zeros from then on, and the mapping has failed: see
   * {@link Native.failureOf}. So does one that meets a bad page, which the device cannot read; the rest of the mapping
   * goes on then: see {@link Native.badPages}. Native calls do not go on with zeros, but return -EIO. Mappings of a
   * file keep one more descriptor of it among them.
   * @returns a mapping or a negative errno
   */
  map(fd: number, offsetBytes: number, lengthBytes: number, flags: number): number
  /**
   * Takes memory for a mapping that something else has mapped from `fd`, from `offsetBytes` on, in the way that the
   * flags say (as of {@link Native.map}). The ArrayBuffer is the calling thread's view, and lives until
   * {@link Native.unmap}, which this thread has to call: what it mapped is let go of then, while the addresses become
   * free when its collector has freed it.
   * @param memory what unmaps its memory when it is freed: of an ordinary ArrayBuffer the memory would be lost
   * @returns a mapping or a negative errno (-EINVAL also where the memory does not begin with a page)
   */
  adopt(memory: ArrayBuffer, fd: number, offsetBytes: number, flags: number): number
  /**
   * As {@link Native.map}, at the addresses of `memory`, of as many bytes, whose contents are lost. It lies in a
   * SharedArrayBuffer that can grow and begins with a page. The calling thread keeps it until {@link Native.unmap},
   * which this thread has to call; the addresses may not be touched afterwards, nor where this fails, and become free
   * when the collectors have freed the SharedArrayBuffer.
   * @returns a mapping or a negative errno (-EINVAL also where the memory does not begin with a page)
   */
  mapOver(memory: Uint8Array, fd: number, offsetBytes: number, flags: number): number
  /** How many bytes of `memory` come before an address that is a multiple of `boundary`, a power of two. */
  bytesBefore(memory: Uint8Array, boundary: number): number
  /**
   * Puts another file, or the same with other flags, in the place of what is mapped: number, addresses and views stay.
   * No list that names it may be carried out meanwhile. Where it fails, what was mapped is still there; or the kernel
   * has unmapped it, and the mapping has failed, and shows zeros, until a call succeeds.
   * @returns 0 or a negative errno
   */
  remap(mapping: Mapping, fd: number, offsetBytes: number, flags: number): number
  /**
   * Takes pages out of the memory of this process (madvise(2), MADV_DONTNEED). They come back when they are touched,
   * with what they hold. @param offset of the first one, at the start of a page
   * @returns 0 or a negative errno (-EPERM: the mapping is copy-on-write, and would lose what was stored)
   */
  dropPages(mapping: Mapping, offset: number, lengthBytes: number): number
  /**
   * New memory of zeros; its pages come into being when touched. The limits on open files and on the size of files
   * (RLIMIT_NOFILE, RLIMIT_FSIZE) do not apply to it. @returns a mapping or a negative errno
   */
  mapAnonymous(lengthBytes: number): number
  /**
   * The descriptor of a new memfd (memfd_create(2)) of zeros, close-on-exec, for what needs more than one mapping; or a
   * negative errno.
   */
  memoryFile(name: string, lengthBytes: number): number
  /**
   * Unmaps. The calling thread's ArrayBuffer is detached, also where `view` is null; no other thread may touch its
   * own afterwards, and no thread the memory given to {@link Native.mapOver}. -EINVAL: `view` is of another mapping.
   */
  unmap(mapping: Mapping, view: ArrayBuffer | null): number
  /**
   * The mapping's bytes as an ArrayBuffer of the calling thread: the same one as long as it lives. Keep it.
   * Throws where there is no such mapping.
   */
  view(mapping: Mapping): ArrayBuffer

  /**
   * 32-bit words for any thread to look at ({@link failureWord}). `attention` rises with each failure, with each page
   * that is found to be bad, and before zeros take the place of one. `count` is how many mappings of this process have
   * failed by SIGBUS, and how many files fdatasync(2) has failed on, as long as they are mapped. From entry `badPages`
   * on, {@link badPages} has none.
   */
  failures(): ArrayBuffer
  /**
   * The table of bad pages, for any thread to look at: entries of so many words ({@link badPage}). An entry is there
   * before `attention` rises, and until its mapping is unmapped.
   */
  badPages(): ArrayBuffer
  /**
   * Copies mapped memory to a Uint8Array, from its byte `start` on. Unlike a load, this leaves a bad page as it is.
   * @returns 0; -EIO: it has met a page that is bad, or its mapping fails; or another negative errno
   */
  load(mapping: Mapping, offset: number, lengthBytes: number, into: Uint8Array, start: number): number
  /**
   * How a mapping first failed: errno * 2**32 + the offset. EFAULT stands for SIGBUS. Any other errno is
   * fdatasync(2)'s, for all that is mapped of the file, or that of {@link Native.remap}, which lost what was mapped; it
   * names no place, and the offset is 0.
   * @returns 0 where it has not
   */
  failureOf(mapping: Mapping): number
  /**
   * Whether a mapping is apart (1) from what is served, or not (0), as it is at first. Once one that is not apart has
   * failed, {@link exchange} and {@link exchangeRing} answer no request any more. @returns 0 or -EINVAL
   */
  setApart(mapping: Mapping, isApart: number): number

  /** 'clwb', 'clflushopt' or 'clflush' (CPUID); 'dc cvap' or 'dc cvac' on AArch64: what this processor offers. */
  flushInstruction(): string
  /**
   * Carries out the steps of a list (LIST_HEADER_WORDS, then STEP_WORDS each) one after the other, and fences: what
   * they copied, stored or named is durable at return, each in the way of its mapping. Copies may overlap; those from
   * 512 bytes on, and those of whole lines, go past the caches (not with PERSIST_PAGES). A fence syncs each file that
   * it has to once. -EIO: a mapping that the list names has failed, now or before, and what stands behind the next
   * STEP_FENCE was not done; or a step has met a bad page, and what stands behind that was not done.
   */
  persist(listMapping: Mapping, listOffset: number): number
  /**
   * Fills with zeros: durable after the next fence, where flushes are. From 512 bytes on, and of whole lines, they go
   * past the caches.
   * @returns 1 where they have to be named by a STEP_FLUSH before that (PERSIST_PAGES), else 0; or a negative errno
   * (-EIO: as persist)
   */
  zero(mapping: Mapping, offset: number, lengthBytes: number): number

  /**
   * FUTEX_WAIT while the word at `offset` is `expected`; at most `timeoutMs` (negative: for ever). 0, -EAGAIN,
   * -ETIMEDOUT, -EINTR.
   */
  futexWait(mapping: Mapping, offset: number, expected: number, timeoutMs: number): number
  /** FUTEX_WAKE of at most `count` waiters. @returns how many were woken */
  futexWake(mapping: Mapping, offset: number, count: number): number
  /** Pins the calling thread to one processor (sched_setaffinity(2)). */
  pin(cpu: number): number
  threadId(): number
  /** CLOCK_REALTIME to three words at `offset`: seconds (low, high), nanoseconds. 0 or a negative errno */
  readClock(mapping: Mapping, offset: number): number
  /**
   * Sends a thread of this process a signal whose handler does nothing, so that a blocking exchange returns. One that
   * comes between exchange's look at `stop` and its read(2) is lost: send it again until the thread has answered.
   * -ESRCH: no such thread.
   */
  interruptThread(threadId: number): number
  /** Names the calling thread (prctl PR_SET_NAME), 15 bytes. */
  nameThread(name: string): number

  /** mount(2) */
  mount(source: Name, target: Name, type: string, flags: number, data: string): number
  /** umount2(2). Not from the thread that serves the mount: the kernel may ask it something meanwhile. */
  umount(target: Name, flags: number): number
  /**
   * Mounts by fusermount3, for those who are not root: runs it with `options` and `mountpoint`, and takes the
   * descriptor of /dev/fuse that it passes (SCM_RIGHTS) over the socket named in _FUSE_COMMFD.
   * With the option auto_unmount it stays, and unmounts when this process ends.
   * @returns the descriptor, or a negative errno (-ENOENT: no fusermount3; -EPERM: it refused and said why on stderr)
   */
  fusermount(options: Name, mountpoint: Name): number
  /**
   * Watches the mount table of this process (/proc/self/mountinfo).
   * @returns the descriptor of a pipe with a byte for each change, or fewer; closing it ends the watch. Or a negative
   * errno
   */
  watchMounts(): number
  /**
   * Sends the reply that the exchange block describes (if any; 1022 pieces at most) and zeroes `replyBytes`, then
   * blocks for the next request.
   * @returns the request's bytes; 0: the thread was interrupted, or another one took what had come; -ENODEV after an
   * unmount; -EINTR if `stop` was set; -EINVAL: the block is wrong, and nothing has been sent; -EIO: a mapping has
   * failed that is not apart, and no reply is sent any more; -EHWPOISON: a bad page was found of which the caller has
   * not heard (`attended`), and nothing has been sent; or what else read(2) gives.
   */
  exchange(blockMapping: Mapping, blockOffset: number): number
  /**
   * A ring of io_uring(7) for so many entries, to be used by the calling thread alone. The ring block has to stay
   * mapped until the ring is closed; mapping 0 is none, to see whether a ring can be had.
   * @returns its number; -ENOSYS, -EPERM: not to be had (kernel.io_uring_disabled); -EINVAL: the kernel is too old
   */
  openRing(entries: number, blockMapping: Mapping | 0, blockOffset: number): number
  /** Gives up a ring; requests that it still had are answered by the kernel when the mount ends. */
  closeRing(ring: number): number
  /** Offers an entry to the kernel's queue of a processor; told to the kernel by the next exchangeRing. */
  registerEntry(ring: number, entry: number, queue: number): number
  /**
   * Hands in the reply that the ring block describes (if any), and returns the entry of the next request: one that is
   * at hand, else it enters the kernel with all replies since the last time, and waits (or not: `noWait`).
   * @returns the entry; -ENODEV after an unmount; -EINTR if `stop` was set; -EINVAL: the block is wrong, or the kernel
   * refused an entry; -EIO: a mapping has failed that is not apart, and no reply is handed in any more; -EHWPOISON: as
   * exchange; or what else the kernel gives.
   */
  exchangeRing(ring: number): number
  /**
   * Hands in the reply that the ring block describes (if any) and those that exchangeRing has not handed in yet, and
   * waits for nothing.
   * @returns as exchangeRing, 0 for an entry
   */
  submitRing(ring: number): number

  /** flock(2), without waiting: 1 exclusive, 0 shared. 0 or -EWOULDBLOCK (which is -EAGAIN). */
  lockFile(fd: number, exclusive: number): number
  /**
   * fallocate(2): has the disk set aside room for these bytes of a file, which is made as long as that needs. What the
   * file holds stays. @returns 0 or a negative errno (-ENOSPC; -EOPNOTSUPP: not on this file system)
   */
  allocate(fd: number, offsetBytes: number, lengthBytes: number): number
  /**
   * fallocate(2): makes these bytes of a file a hole, which reads as zeros. Its length stays.
   * @returns 0 or a negative errno (-EOPNOTSUPP: not on this file system)
   */
  punchHole(fd: number, offsetBytes: number, lengthBytes: number): number
  /**
   * How many of these bytes of a file have their blocks on the disk (FS_IOC_FIEMAP). On a file system that does not
   * tell, as tmpfs: how many are no hole (lseek(2)), which leaves out what was set aside and never written.
   * @returns bytes, or a negative errno
   */
  allocatedBytes(fd: number, offsetBytes: number, lengthBytes: number): number
  /**
   * Which bytes of a file have a place of their own on the disk of its file system (FS_IOC_FIEMAP). Unwritten extents
   * have none: they read as zeros without the disk.
   * @param into three numbers of each extent, in bytes, for as many as fit: where it begins in the file, where on the
   * disk, and its length
   * @returns how many there are, or a negative errno (-EOPNOTSUPP: not on this file system)
   */
  fileExtents(fd: number, into: Float64Array): number
  /** ioctl BLKGETSIZE64. @returns bytes, or a negative errno */
  blockDeviceBytes(fd: number): number
  /**
   * Whether the file or block device that is open as `fd` lies behind a loop device (ioctl LOOP_GET_STATUS64).
   * @returns 1 or 0, or a negative errno (-ENXIO: nothing lies behind it; -ENOTTY: it is no loop device)
   */
  isBehindLoop(loopFd: number, fd: number): number

  /**
   * Connects to an abstract socket (unix(7)) without waiting. @param name with the NUL that it begins with, and any
   * others
   * @returns the descriptor of a new socket, or a negative errno (-ECONNREFUSED: nobody listens; -EAGAIN: too many
   * wait)
   */
  connectAbstract(name: Buffer): number
  /**
   * The process that listens on a connected socket's other end, as it was when it called listen(2) (SO_PEERCRED).
   * @returns its number, 0 where it is not in this PID namespace; or a negative errno
   */
  peerProcess(fd: number): number
  /** The effective user ID of that process then; or a negative errno. */
  peerUser(fd: number): number
}

const folder = findPackageRoot(dirname(fileURLToPath(import.meta.url)))
const addon = createRequire(import.meta.url)(join(folder, 'build/Release/pmfs2.node')) as Native

/** A copy: the addon's own object is a dictionary to the engine, which then looks up each call by its name. */
export const native: Native = { ...addon }
