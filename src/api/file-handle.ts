// SPDX-License-Identifier: GPL-2.0-only
/**
 * An open file, with the calls of node:fs's FileHandle. It reads and writes at positions, so that a file of any size
 * can be gone through in parts, and it keeps a file that was unlinked until it is closed.
 */
import { EBADF } from '../fs/errno.js'
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE } from '../fs/fallocate.js'
import { apiError, check } from './api-error.js'
import { integerOf, lengthOf, positionOf } from './arguments.js'
import { readArguments, targetOf, viewsOf, writeArguments } from './buffer-arguments.js'
import type {
  OpenFlags,
  Position,
  ReadOptions,
  ReadPathOptions,
  WriteOptions,
  WritePathOptions,
} from './call-options.js'
import { type FileData, type Parts, contentsOf, partOf } from './file-data.js'
import { invalidType } from './invalid-argument.js'
import type { OpenFile } from './open-file.js'
import { booleanOf, checkAborted, encodingOf, optionsOf, signalOf, textEncodingOf } from './options.js'
import { type Change, applied, changeOfMode, changeOfOwner, changeOfTimes } from './owner-and-times.js'
import { BigIntVolumeStats, VolumeStats } from './volume-stats.js'

export class FileHandle {
  readonly #file: OpenFile

  /** Files are opened by VolumeFiles.open. */
  constructor(file: OpenFile) {
    this.#file = file
  }

  /**
   * Reads up to `length` bytes into a buffer, from byte `offset` of it on.
   * @param position bytes from the start of the file; null: where the file is at, and that moves on
   */
  read<Target extends ArrayBufferView>(
    buffer: Target,
    offset?: number | null,
    length?: number | null,
    position?: Position,
  ): Promise<{ bytesRead: number; buffer: Target }>
  read<Target extends ArrayBufferView>(
    buffer: Target,
    options?: Omit<ReadOptions<Target>, 'buffer'>,
  ): Promise<{ bytesRead: number; buffer: Target }>
  read<Target extends ArrayBufferView = Buffer>(
    options?: ReadOptions<Target>,
  ): Promise<{ bytesRead: number; buffer: Target }>
  read(
    first?: ArrayBufferView | object,
    second?: number | object | null,
    length?: number | null,
    position?: Position,
  ): Promise<{ bytesRead: number; buffer: ArrayBufferView }> {
    return this.#run('read', (file) => {
      const asked = readArguments(first, second, length, position)
      const into = targetOf(asked)
      const at = positionOf(asked.position)
      return { bytesRead: into.length === 0 ? 0 : file.read(into, at), buffer: asked.buffer }
    })
  }

  /** Fills one buffer after the other. */
  readv<Targets extends readonly ArrayBufferView[]>(
    buffers: Targets,
    position?: Position,
  ): Promise<{ bytesRead: number; buffers: Targets }> {
    return this.#run('read', (file) => {
      const at = positionOf(position)
      let bytesRead = 0
      for (const into of viewsOf(buffers)) {
        const read = file.read(into, at === null ? null : at + bytesRead)
        bytesRead += read
        if (read < into.length) break
      }
      return { bytesRead, buffers }
    })
  }

  /**
   * Writes `length` bytes of a buffer, from byte `offset` of it on; or text, at a position and in an encoding.
   * @param position bytes from the start of the file; null: where the file is at, and that moves on
   * @returns how many were written, fewer on a full volume
   */
  write<Source extends ArrayBufferView>(
    buffer: Source,
    offset?: number | null,
    length?: number | null,
    position?: Position,
  ): Promise<{ bytesWritten: number; buffer: Source }>
  write<Source extends ArrayBufferView>(
    buffer: Source,
    options?: WriteOptions,
  ): Promise<{ bytesWritten: number; buffer: Source }>
  write(
    text: string,
    position?: Position,
    encoding?: BufferEncoding | null,
  ): Promise<{ bytesWritten: number; buffer: string }>
  write(
    data: ArrayBufferView | string,
    second?: number | bigint | WriteOptions | null,
    third?: number | string | null,
    fourth?: Position,
  ): Promise<{ bytesWritten: number; buffer: ArrayBufferView | string }> {
    return this.#run('write', (file) => {
      const { bytes, position } = writeArguments(data, second, third, fourth)
      return { bytesWritten: bytes === null ? 0 : file.write(bytes, position), buffer: data }
    })
  }

  /** Writes one buffer after the other. */
  writev<Sources extends readonly ArrayBufferView[]>(
    buffers: Sources,
    position?: Position,
  ): Promise<{ bytesWritten: number; buffers: Sources }> {
    return this.#run('write', (file) => {
      const at = positionOf(position)
      let bytesWritten = 0
      for (const bytes of viewsOf(buffers)) {
        const written = file.write(bytes, at === null ? null : at + bytesWritten)
        bytesWritten += written
        if (written < bytes.length) break
      }
      return { bytesWritten, buffers }
    })
  }

  /** Reads from where the file is at to its end; a flag is passed over. @throws ERR_FS_FILE_TOO_LARGE beyond 2 GiB */
  readFile(options?: { encoding?: null; flag?: OpenFlags; signal?: AbortSignal } | null): Promise<Buffer>
  readFile(
    options: { encoding: BufferEncoding; flag?: OpenFlags; signal?: AbortSignal } | BufferEncoding,
  ): Promise<string>
  readFile(options?: ReadPathOptions | BufferEncoding | null): Promise<Buffer | string>
  readFile(options?: ReadPathOptions | BufferEncoding | null): Promise<Buffer | string> {
    return this.#run('read', (file) => {
      const given = optionsOf('FileHandle.readFile', options, ['encoding', 'flag', 'signal'], 'encoding')
      const encoding = textEncodingOf(given.encoding)
      checkAborted(signalOf(given.signal))
      const bytes = file.readRest()
      return encoding === null ? bytes : bytes.toString(encoding)
    })
  }

  /** Writes where the file is at; a flag and a mode, which are for opening, are passed over. */
  async writeFile(data: FileData, options?: WritePathOptions | BufferEncoding | null): Promise<void> {
    const known = ['encoding', 'mode', 'flag', 'flush', 'signal'] as const
    const given = optionsOf('FileHandle.writeFile', options, known, 'encoding')
    booleanOf(given.flush ?? undefined, 'flush')
    const encoding = encodingOf(given.encoding)
    const signal = signalOf(given.signal)
    const contents = contentsOf(data, typeof data === 'string' ? textEncodingOf(encoding) : null)
    if (contents instanceof Uint8Array) {
      await this.#run('write', (file) => {
        checkAborted(signal)
        file.writeAll(contents)
      })
    } else await this.writeParts(contents, textEncodingOf(encoding), signal)
  }

  /** The same as {@link writeFile}, as node:fs has it: the flags of opening say where it goes. */
  appendFile(data: FileData, options?: WritePathOptions | BufferEncoding | null): Promise<void> {
    return this.writeFile(data, options)
  }

  /** Writes what is yielded, part by part. */
  async writeParts(parts: Parts, encoding: BufferEncoding | null, signal?: AbortSignal): Promise<void> {
    checkAborted(signal)
    for await (const part of parts) {
      const bytes = partOf(part, encoding)
      await this.#run('write', (file) => {
        checkAborted(signal)
        file.writeAll(bytes)
      })
    }
  }

  /** @param length bytes; beyond the largest file EFBIG */
  truncate(length = 0): Promise<void> {
    return this.#run('ftruncate', (file) => file.truncate(lengthOf(length)))
  }

  /**
   * Allocates blocks for a range of the file, so that writing to it cannot fail for want of space. No byte changes; a
   * file that ends before the range becomes longer, unless it keeps its size. Not in node:fs; see fallocate(2).
   * @param offset, length in bytes, the length at least 1; ENOSPC where there is no space for all of it, EFBIG beyond
   * the largest file
   */
  allocate(offset: number, length: number, options?: { keepSize?: boolean }): Promise<void> {
    return this.#allocate('FileHandle.allocate', 0, offset, length, options)
  }

  /** Makes a range read as zeros and frees its blocks. The size stays. Not in node:fs; FALLOC_FL_PUNCH_HOLE. */
  punchHole(offset: number, length: number): Promise<void> {
    return this.#allocate('FileHandle.punchHole', FALLOC_FL_PUNCH_HOLE, offset, length, { keepSize: true })
  }

  /** Makes a range read as zeros, with blocks for all of it, as {@link allocate} does. FALLOC_FL_ZERO_RANGE. */
  zeroRange(offset: number, length: number, options?: { keepSize?: boolean }): Promise<void> {
    return this.#allocate('FileHandle.zeroRange', FALLOC_FL_ZERO_RANGE, offset, length, options)
  }

  /**
   * The first byte from a position on that lies in data. Not in node:fs; SEEK_DATA of lseek(2).
   * @returns null for none
   */
  nextData(position: number): Promise<number | null> {
    return this.#seek(position, true)
  }

  /** The first byte from a position on that lies in a hole; the end of the file is one. @returns null beyond the end */
  nextHole(position: number): Promise<number | null> {
    return this.#seek(position, false)
  }

  /**
   * Copies a range into another file of the volume, or this one, without reading it; holes stay holes. Not in node:fs;
   * see copy_file_range(2).
   * @returns the bytes copied, fewer where this file ends or space runs out
   */
  copyRange(position: number, target: FileHandle, targetPosition: number, length: number): Promise<number> {
    return this.#run('copy_file_range', (file) => {
      if (!(target instanceof FileHandle)) throw invalidType('target', 'an instance of FileHandle', target)
      if (!target.#file.isOpen) throw apiError(-EBADF, 'copy_file_range')
      const from = integerOf(position, 'position', 0, Number.MAX_SAFE_INTEGER)
      const to = integerOf(targetPosition, 'targetPosition', 0, Number.MAX_SAFE_INTEGER)
      return file.copy(from, target.#file, to, integerOf(length, 'length', 0, Number.MAX_SAFE_INTEGER))
    })
  }

  stat(options?: { bigint?: false }): Promise<VolumeStats>
  stat(options: { bigint: true }): Promise<BigIntVolumeStats>
  stat(options?: { bigint?: boolean }): Promise<VolumeStats | BigIntVolumeStats>
  stat(options?: { bigint?: boolean }): Promise<VolumeStats | BigIntVolumeStats> {
    return this.#run('fstat', ({ session, inode }) => {
      const { bigint } = optionsOf('FileHandle.stat', options, ['bigint'])
      const words = session.walk.attributes(inode, 'fstat')
      return booleanOf(bigint, 'bigint') ? new BigIntVolumeStats(inode, words) : new VolumeStats(inode, words)
    })
  }

  chmod(mode: number | string): Promise<void> {
    return this.#change('fchmod', () => changeOfMode(mode))
  }

  /** @param uid, gid -1 leaves the one or the other as it is */
  chown(uid: number, gid: number): Promise<void> {
    return this.#change('fchown', () => changeOfOwner(uid, gid))
  }

  utimes(atime: number | string | Date, mtime: number | string | Date): Promise<void> {
    return this.#change('futime', () => changeOfTimes(atime, mtime))
  }

  /** Resolves at once: whatever was written is durable. */
  sync(): Promise<void> {
    return this.#run('fsync', () => undefined)
  }

  /** As {@link sync}. */
  datasync(): Promise<void> {
    return this.#run('fdatasync', () => undefined)
  }

  /** A second time, or after the volume was closed, it does nothing. */
  close(): Promise<void> {
    return Promise.resolve().then(() => this.#file.close())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #seek(position: number, wantsData: boolean): Promise<number | null> {
    return this.#run('lseek', (file) =>
      file.seek(integerOf(position, 'position', 0, Number.MAX_SAFE_INTEGER), wantsData),
    )
  }

  #allocate(call: string, mode: number, offset: number, length: number, options: unknown): Promise<void> {
    return this.#run('fallocate', (file) => {
      const { keepSize } = optionsOf(call, options, ['keepSize'])
      const keep = booleanOf(keepSize, 'keepSize') ? FALLOC_FL_KEEP_SIZE : 0
      const from = integerOf(offset, 'offset', 0, Number.MAX_SAFE_INTEGER)
      file.allocate(mode | keep, from, integerOf(length, 'length', 1, Number.MAX_SAFE_INTEGER))
    })
  }

  #change(syscall: string, changeOf: () => Change): Promise<void> {
    return this.#run(syscall, ({ session, inode }) =>
      check(applied(session.engine, inode, changeOf()), syscall),
    )
  }

  #run<Result>(syscall: string, call: (file: OpenFile) => Result): Promise<Result> {
    return this.#file.session.run(syscall, () => {
      if (!this.#file.isOpen) throw apiError(-EBADF, syscall)
      return call(this.#file)
    })
  }
}
