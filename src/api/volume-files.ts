// SPDX-License-Identifier: GPL-2.0-only
/**
 * The files of a volume that is not mounted, with the calls of node:fs/promises: for programs that make, fill or look
 * into a volume without the kernel. Paths begin at the volume's root. Every change is durable when its promise resolves.
 *
 *     const volume = await openFiles('/dev/pmem0')
 *     await volume.writeFile('/hello', 'hello, world\n')
 *     await volume.close()
 */
import { blockBytes } from '../../layout/geometry.js'
import { AttributeChange, KILL_PRIVILEGES, SET_GID, SET_MODE, SET_SIZE, SET_UID } from '../fs/attributes.js'
import type { DirectorySink } from '../fs/directory-reader.js'
import type { Engine } from '../fs/engine.js'
import { EBUSY, EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY } from '../fs/errno.js'
import { mostBytesPerWrite } from '../fs/file.js'
import { S_IFDIR, S_IFLNK, S_IFREG } from '../fs/mode.js'
import { NewInode } from '../fs/new-inode.js'
import { MappedMedium } from '../pmem/mapped-medium.js'
import { type TransferBuffer, createTransferBuffer, releaseTransferBuffer } from '../pmem/transfer-buffer.js'
import { apiError } from './api-error.js'
import { bytesOf, checkEncoding, checkText, lengthOf, ownerOf, permissionsOf } from './arguments.js'
import { type OpenedVolume, openVolume } from './opened-volume.js'
import { Collector, PathWalk, type Place, decoder } from './path-walk.js'
import type { VolumeStats } from './volume-stats.js'

/** What rmdir(2) says of a path that ends in no name. */
const notToRemove = { '/': EBUSY, '.': EINVAL, '..': ENOTEMPTY } as const

/** Opens the volume on a device. @throws DeviceError, VolumeError */
export function openFiles(device: string, options: { readOnly?: boolean } = {}): Promise<VolumeFiles> {
  return Promise.resolve().then(() => new VolumeFiles(openVolume(device, options.readOnly ?? false)))
}

export class VolumeFiles {
  readonly #opened: OpenedVolume
  readonly #medium: MappedMedium
  readonly #engine: Engine
  readonly #walk: PathWalk
  readonly #buffer: TransferBuffer

  constructor(opened: OpenedVolume) {
    this.#opened = opened
    this.#medium = new MappedMedium(opened.description)
    this.#engine = opened.volume.engine(0)
    this.#walk = new PathWalk(this.#engine, this.#medium)
    this.#buffer = createTransferBuffer('pmfs2 api', mostBytesPerWrite)
  }

  /** What was noticed on opening, in sentences for people. */
  get notices(): readonly string[] {
    return this.#opened.notices
  }

  close(): Promise<void> {
    return this.#run(() => {
      releaseTransferBuffer(this.#buffer)
      try {
        this.#medium.release()
      } finally {
        this.#opened.close()
      }
    })
  }

  stat(path: string): Promise<VolumeStats> {
    return this.#run(() => this.#walk.stat(this.#inode('stat', path, true), path))
  }

  lstat(path: string): Promise<VolumeStats> {
    return this.#run(() => this.#walk.stat(this.#inode('lstat', path, false), path))
  }

  readFile(path: string, encoding?: null): Promise<Uint8Array>
  readFile(path: string, encoding: 'utf8' | 'utf-8'): Promise<string>
  readFile(path: string, encoding?: 'utf8' | 'utf-8' | null): Promise<Uint8Array | string> {
    return this.#run(() => {
      checkEncoding(encoding)
      const inode = this.#inode('open', path, true)
      const { size } = this.#walk.stat(inode, path)
      const bytes = this.#read(inode, size, path)
      return typeof encoding === 'string' ? decoder.decode(bytes) : bytes
    })
  }

  /** Replaces a file's contents, or makes it (mode 0666). */
  writeFile(path: string, data: string | ArrayBufferView): Promise<void> {
    return this.#run(() => {
      const bytes = bytesOf(data)
      const place = this.#place('open', path, true)
      if (place.isSlashed) throw apiError(-EISDIR, 'open', path)
      const inode = place.inode > 0 ? place.inode : this.#make('open', path, place, S_IFREG | 0o666)
      this.#resize(inode, 0, 'open', path)
      this.#write(inode, bytes, path)
    })
  }

  /** @param length bytes, a whole number; below zero it is zero, and beyond the largest file EFBIG */
  truncate(path: string, length = 0): Promise<void> {
    return this.#run(() => {
      const inode = this.#inode('truncate', path, true)
      this.#resize(inode, lengthOf(length), 'truncate', path)
    })
  }

  readdir(path: string): Promise<string[]> {
    return this.#run(() => {
      const names: string[] = []
      const sink: DirectorySink = {
        entry(_inode, _type, bytes, start, length) {
          const name = decoder.decode(bytes.subarray(start, start + length))
          if (name !== '.' && name !== '..') names.push(name)
          return true
        },
      }
      this.#check(this.#engine.readdir(this.#inode('scandir', path, true), 0, 0, sink), 'scandir', path)
      return names
    })
  }

  /** @param mode permission bits, from which no umask is taken off; what else it has is left out */
  mkdir(path: string, mode = 0o777): Promise<void> {
    return this.#run(() => {
      const permissions = permissionsOf(mode)
      this.#make('mkdir', path, this.#vacant('mkdir', path), S_IFDIR | permissions)
    })
  }

  symlink(target: string, path: string): Promise<void> {
    return this.#run(() => {
      checkText(target, 'target')
      const bytes = bytesOf(target)
      this.#buffer.bytes.set(bytes.subarray(0, blockBytes))
      const { parent, name } = this.#vacantFile('symlink', path)
      const made = newInode(S_IFLNK | 0o777)
      this.#take(this.#engine.symlink(parent, name, made, this.#buffer, 0, bytes.length), 'symlink', path)
    })
  }

  readlink(path: string): Promise<string> {
    return this.#run(() => {
      const inode = this.#inode('readlink', path, false)
      if (!this.#walk.stat(inode, path).isSymbolicLink()) throw apiError(-EINVAL, 'readlink', path)
      return this.#walk.readlink(inode, path)
    })
  }

  link(existing: string, path: string): Promise<void> {
    return this.#run(() => {
      const inode = this.#inode('link', existing, false)
      const { parent, name } = this.#vacantFile('link', path)
      this.#check(this.#engine.link(inode, parent, name), 'link', path)
      this.#engine.forget(inode, 1)
    })
  }

  unlink(path: string): Promise<void> {
    return this.#run(() => {
      const { parent, name, special } = this.#named('unlink', path)
      if (special !== null) throw apiError(-EISDIR, 'unlink', path)
      this.#check(this.#engine.unlink(parent, name), 'unlink', path)
    })
  }

  rmdir(path: string): Promise<void> {
    return this.#run(() => {
      const { parent, name, special } = this.#named('rmdir', path)
      if (special !== null) throw apiError(-notToRemove[special], 'rmdir', path)
      this.#check(this.#engine.rmdir(parent, name), 'rmdir', path)
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.#run(() => {
      const old = this.#place('rename', from, false)
      const place = this.#place('rename', to, false)
      this.#check(this.#whyNotRenamed(old, place, from), 'rename', from)
      this.#check(this.#engine.rename(old.parent, old.name, place.parent, place.name, 0), 'rename', from)
    })
  }

  /** @param mode permission bits; what else it has is left out */
  chmod(path: string, mode: number): Promise<void> {
    return this.#run(() => {
      const change = new AttributeChange()
      change.mask = SET_MODE
      change.mode = permissionsOf(mode)
      this.#check(this.#engine.setattr(this.#inode('chmod', path, true), change), 'chmod', path)
    })
  }

  /** @param uid, gid -1 leaves the one or the other as it is */
  chown(path: string, uid: number, gid: number): Promise<void> {
    return this.#run(() => {
      const user = ownerOf(uid, 'uid')
      const group = ownerOf(gid, 'gid')
      const change = new AttributeChange()
      change.mask = KILL_PRIVILEGES | (user === null ? 0 : SET_UID) | (group === null ? 0 : SET_GID)
      change.uid = user ?? 0
      change.gid = group ?? 0
      this.#check(this.#engine.setattr(this.#inode('chown', path, true), change), 'chown', path)
    })
  }

  /** Everything here is synchronous; a promise makes it look, and fail, like node:fs/promises. */
  #run<Result>(call: () => Result): Promise<Result> {
    return Promise.resolve().then(() => {
      this.#engine.clock.setMilliseconds(Date.now())
      try {
        return call()
      } finally {
        // Throws where the device has failed: whatever else was found then came of that.
        this.#medium.check()
      }
    })
  }

  #place(syscall: string, path: string, followLast: boolean): Place {
    checkText(path, 'path')
    const place = this.#walk.resolve(path, followLast)
    if (typeof place === 'number') throw apiError(place, syscall, path)
    return place
  }

  #inode(syscall: string, path: string, followLast: boolean): number {
    checkText(path, 'path')
    const inode = this.#walk.find(path, followLast)
    this.#check(inode, syscall, path)
    return inode
  }

  /** Where something may lose its name: behind a slash it must be a directory. */
  #named(syscall: string, path: string): Place {
    const place = this.#place(syscall, path, false)
    if (this.#walk.isNoDirectory(place, path)) throw apiError(-ENOTDIR, syscall, path)
    return place
  }

  /** Where something new may get a name. */
  #vacant(syscall: string, path: string): Place {
    const place = this.#place(syscall, path, false)
    if (place.inode > 0) throw apiError(-EEXIST, syscall, path)
    return place
  }

  /** Where something new may get a name that is no directory. */
  #vacantFile(syscall: string, path: string): Place {
    const place = this.#vacant(syscall, path)
    if (place.isSlashed) throw apiError(-ENOENT, syscall, path)
    return place
  }

  /** @returns 0, or what rename(2) says of the paths alone */
  #whyNotRenamed(old: Place, place: Place, from: string): number {
    if (old.special !== null || place.special !== null) return -EBUSY
    if (old.inode < 0) return old.inode
    return this.#walk.isNoDirectory({ ...old, isSlashed: old.isSlashed || place.isSlashed }, from)
      ? -ENOTDIR
      : 0
  }

  #check(result: number, syscall: string, path: string): void {
    if (result < 0) throw apiError(result, syscall, path)
  }

  /** An inode was made: the reference that came with it is given back. */
  #take(inode: number, syscall: string, path: string): number {
    this.#check(inode, syscall, path)
    this.#engine.forget(inode, 1)
    return inode
  }

  #make(syscall: string, path: string, place: Place, mode: number): number {
    return this.#take(this.#engine.create(place.parent, place.name, newInode(mode)), syscall, path)
  }

  #resize(inode: number, length: number, syscall: string, path: string): void {
    const change = new AttributeChange()
    change.mask = SET_SIZE
    change.sizeLow = length >>> 0
    change.sizeHigh = Math.floor(length / 2 ** 32)
    this.#check(this.#engine.setattr(inode, change), syscall, path)
  }

  #read(inode: number, size: number, path: string): Uint8Array {
    const collector = new Collector(this.#medium, size)
    // An empty one is read too: it may be a directory.
    let at = 0
    do {
      const length = Math.min(mostBytesPerWrite, size - at)
      const result = this.#engine.beginRead(inode, at / blockBytes, 0, length, collector, true)
      this.#engine.endRead(inode)
      this.#check(result, 'read', path)
      at += length
    } while (at < size)
    return collector.bytes
  }

  #write(inode: number, data: Uint8Array, path: string): void {
    for (let at = 0; at < data.length;) {
      const part = data.subarray(at, Math.min(data.length, at + mostBytesPerWrite))
      this.#buffer.bytes.set(part)
      const index = Math.floor(at / blockBytes)
      const written = this.#engine.write(inode, index, at % blockBytes, part.length, this.#buffer, 0, true)
      this.#check(written, 'write', path)
      at += written
    }
  }
}

function newInode(mode: number): NewInode {
  const made = new NewInode()
  made.mode = mode
  made.uid = process.getuid!()
  made.gid = process.getgid!()
  return made
}
