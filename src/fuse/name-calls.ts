// SPDX-License-Identifier: GPL-2.0-only
/** Serves requests about names: looking them up, making, linking, renaming, removing and listing them. */
import { S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, permissionBits } from '../fs/mode.js'
import { Name } from '../fs/name.js'
import { NewInode } from '../fs/new-inode.js'
import { DirectoryReply } from './directory-reply.js'
import type { Attributes, Names } from './file-system.js'
import { maxWriteBytes } from './init.js'
import { type Message, wantsAccessNoted } from './message.js'
import * as fuse from './protocol.js'
import type { Replies } from './replies.js'

export interface NameOptions {
  /** Note when symbolic links were read. */
  readonly accessTimes: boolean
  /** Note when directories were read. */
  readonly directoryAccessTimes: boolean
}

export class NameCalls {
  readonly #files: Names
  readonly #message: Message
  readonly #replies: Replies
  readonly #options: NameOptions
  readonly #listing: DirectoryReply
  readonly #name = new Name()
  readonly #newName = new Name()
  readonly #made = new NewInode()

  constructor(files: Names & Attributes, message: Message, replies: Replies, options: NameOptions) {
    this.#files = files
    this.#message = message
    this.#replies = replies
    this.#options = options
    this.#listing = new DirectoryReply(files, replies.attributeSeconds, maxWriteBytes)
  }

  /** Entries of the last listing, for traces. */
  get listedCount(): number {
    return this.#listing.count
  }

  release(): void {
    this.#listing.release()
  }

  lookup(): number {
    const { nodeid } = this.#message
    const name = this.#firstName()
    let number: number
    // NFS and open_by_handle_at(2) look up the dots by inode (EXPORT_SUPPORT).
    if (name.isDot()) number = this.#files.find(nodeid)
    else if (name.isDotDot()) number = this.#files.parentOf(nodeid)
    else number = this.#files.lookup(nodeid, name)
    return number > 0 ? this.#replies.entry(number) : this.#replies.missing(number)
  }

  forget(): void {
    const message = this.#message
    this.#files.forget(message.nodeid, message.argument(fuse.fuse_forget_in.word.nlookup))
  }

  batchForget(): void {
    const message = this.#message
    const { words } = message.payload
    const count = message.argument(fuse.fuse_batch_forget_in.word.count)
    let at = message.payloadStart >>> 2
    for (let n = 0; n < count; n++) {
      this.#files.forget(
        words[at + fuse.fuse_forget_one.word.nodeid]!,
        words[at + fuse.fuse_forget_one.word.nlookup]!,
      )
      at += fuse.fuse_forget_one.lengthWords
    }
  }

  create(): number {
    const made = this.#madeByCreate()
    return this.#replies.entryAndOpen(this.#files.create(this.#message.nodeid, this.#firstName(), made))
  }

  createNameless(): number {
    return this.#replies.entryAndOpen(this.#files.createNameless(this.#message.nodeid, this.#madeByCreate()))
  }

  mkdir(): number {
    const message = this.#message
    const at = fuse.fuse_mkdir_in.word
    const made = this.#make(S_IFDIR, message.argument(at.mode), message.argument(at.umask), 0)
    return this.#replies.entry(this.#files.create(message.nodeid, this.#firstName(), made))
  }

  mknod(): number {
    const message = this.#message
    const at = fuse.fuse_mknod_in.word
    const mode = message.argument(at.mode)
    const made = this.#make(mode & S_IFMT, mode, message.argument(at.umask), message.argument(at.rdev))
    return this.#replies.entry(this.#files.create(message.nodeid, this.#firstName(), made))
  }

  symlink(): number {
    const message = this.#message
    const targetAt = message.name(this.#name, 0)
    message.name(this.#newName, targetAt)
    const made = this.#make(S_IFLNK, 0o777, 0, 0)
    const target = this.#newName
    return this.#replies.entry(
      this.#files.symlink(message.nodeid, this.#name, made, message.payload, target.start, target.length),
    )
  }

  readlink(): number {
    return Math.min(this.#files.readlink(this.#message.nodeid, this.#message, this.#options.accessTimes), 0)
  }

  link(): number {
    const message = this.#message
    const number = message.argument(fuse.fuse_link_in.word.oldnodeid)
    const error = this.#files.link(number, message.nodeid, this.#firstName())
    return error === 0 ? this.#replies.entry(number) : error
  }

  unlink(): number {
    return this.#files.unlink(this.#message.nodeid, this.#firstName())
  }

  rmdir(): number {
    return this.#files.rmdir(this.#message.nodeid, this.#firstName())
  }

  rename(): number {
    return this.#rename(fuse.fuse_rename_in.word.newdir, 0)
  }

  renameWithFlags(): number {
    const at = fuse.fuse_rename2_in.word
    return this.#rename(at.newdir, this.#message.argument(at.flags))
  }

  /** @param plus whether each entry comes with its attributes (READDIRPLUS) */
  readdir(plus: boolean): number {
    const message = this.#message
    const at = fuse.fuse_read_in.word
    const listing = this.#listing
    listing.begin(message.argument(at.size), plus)
    const error = this.#files.readdir(
      message.nodeid,
      message.argument(at.offset) >>> 0,
      message.argument(at.offset + 1),
      listing,
      this.#options.directoryAccessTimes && wantsAccessNoted(message),
    )
    if (error !== 0) return error
    listing.finish()
    if (listing.bytes > 0) message.piece(listing.buffer.mapping, 0, listing.bytes)
    return 0
  }

  /** The kernel does not get the last listing. */
  takeBackListing(): void {
    this.#listing.takeBack()
  }

  #rename(newDirectoryWord: number, flags: number): number {
    const message = this.#message
    const next = message.name(this.#name, 0)
    message.name(this.#newName, next)
    const to = message.argument(newDirectoryWord)
    const whiteout = this.#make(S_IFCHR, 0, 0, 0)
    return this.#files.rename(message.nodeid, this.#name, to, this.#newName, flags, whiteout)
  }

  #firstName(): Name {
    this.#message.name(this.#name, 0)
    return this.#name
  }

  /** What CREATE and TMPFILE are to make. */
  #madeByCreate(): NewInode {
    const at = fuse.fuse_create_in.word
    return this.#make(S_IFREG, this.#message.argument(at.mode), this.#message.argument(at.umask), 0)
  }

  /** Fills in what is to be made; DONT_MASK leaves the umask to the server. */
  #make(type: number, mode: number, umask: number, device: number): NewInode {
    const made = this.#made
    made.mode = type | (mode & permissionBits)
    made.umask = umask
    made.uid = this.#message.uid
    made.gid = this.#message.gid
    made.device = device
    return made
  }
}
