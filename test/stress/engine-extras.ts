// SPDX-License-Identifier: GPL-2.0-only
/**
 * Random calls on files that all threads share, beyond names, reads and writes: ranges, copies, extended attributes,
 * ACLs and flags. A value that is read is whole, and belongs to its file and name. A hole that is found has no data.
 */
import { flagAppend, flagImmutable, flagSync, userFlags } from '../../layout/inode.js'
import { AllocationRequest } from '../../src/fs/allocation-request.js'
import { E2BIG, EEXIST, ENODATA, ENOSPC, ENXIO, EOPNOTSUPP, EPERM } from '../../src/fs/errno.js'
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE } from '../../src/fs/fallocate.js'
import { FilePosition } from '../../src/fs/file-position.js'
import { aclBytes } from '../support/acl-text.js'
import { type Copy, copierOf } from '../support/engine-requests.js'
import type { Random } from '../support/random.js'
import { atomBytes, firstForeign } from './atoms.js'
import type { EngineClient } from './engine-client.js'

const blockBytes = 4096
const XATTR_CREATE = 1
const XATTR_REPLACE = 2
const names = ['user.one', 'user.two', 'trusted.three', `user.${'long'.repeat(40)}`]
const lengths = [10, 100, 1000, 9000]
const acls = [
  'u::rwx,g::r-x,o::---',
  'u::rwx,u:7:r-x,g::r-x,m::rwx,o::r--',
  'u::rw-,g::---,g:8:rwx,m::r--,o::---',
]
const accessAcl = 'system.posix_acl_access'
const defaultAcl = 'system.posix_acl_default'
/** Flags that forbid nothing, on files that others write to. */
const harmless = userFlags & ~(flagAppend | flagImmutable)

/** An inode that the thread refers to. */
export interface Referred {
  readonly number: number
  /** What its atoms and values are made with. */
  readonly id: number
}

export class EngineExtras {
  readonly #client: EngineClient
  readonly #random: Random
  readonly #found = new FilePosition()
  readonly #allocation = new AllocationRequest()
  readonly #copyRange: Copy
  /**
   * A nameless file of the thread's own, for copies and for flags that would be in the others' way; 0 before the first.
   */
  #own = 0

  constructor(client: EngineClient, random: Random) {
    this.#client = client
    this.#random = random
    this.#copyRange = copierOf(client.engine)
  }

  /** @param atom where a range begins @param directory for a file of the thread's own */
  onFile(file: Referred, atom: number, directory: number): void {
    const choice = this.#random.below(8)
    if (choice < 4) this.#fallocate(file, atom)
    else if (choice < 5) this.#seek(file, atom)
    else if (choice < 7) this.#copy(file, atom, directory)
    else this.#guard(directory)
  }

  onAny(inode: Referred, isDirectory: boolean): void {
    const choice = this.#random.below(8)
    if (choice < 3) this.#setxattr(inode)
    else if (choice < 5) this.#getxattr(inode)
    else if (choice < 6) this.#removexattr(inode)
    else if (choice < 7) this.#setAcl(inode, isDirectory)
    else this.#setFlags(inode)
  }

  /** Gives the reference back that the thread holds. */
  end(): void {
    if (this.#own !== 0) this.#client.engine.forget(this.#own, 1)
    this.#own = 0
  }

  #fallocate({ number }: Referred, atom: number): void {
    const mode = this.#random.of([
      0,
      FALLOC_FL_KEEP_SIZE,
      FALLOC_FL_ZERO_RANGE,
      FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
    ])
    const start = atom * atomBytes
    const end = start + atomBytes * (1 + this.#random.below(this.#random.of([16, 2048, 2 ** 15])))
    const request = this.#allocation
    request.number = number
    request.mode = mode
    request.setRange(start, end)
    request.killPrivileges = this.#random.below(4) === 0
    const error = this.#client.engine.allocation.fallocate(request)
    allow('fallocate', error, ENOSPC)
  }

  #seek({ number }: Referred, atom: number): void {
    const [index, within] = positionOf(atom)
    const wantsData = this.#random.below(2) === 0
    const error = this.#client.engine.ranges.seek(number, index, within, wantsData, this.#found)
    if (!allow('seek', error, ENXIO)) return
    const at = (this.#found.low >>> 0) + this.#found.high * 2 ** 32
    if (at < atom * atomBytes) throw new Error(`seek from ${atom * atomBytes} found ${at}`)
  }

  /** What is copied to the same place of another file is still made of the atoms of the first. */
  #copy(file: Referred, atom: number, directory: number): void {
    const own = this.#ownFile(directory)
    if (own === 0) return
    const [index, within] = positionOf(atom)
    const length = atomBytes * (1 + this.#random.below(this.#random.of([16, 2048, 8192])))
    if (!allow('setattr', this.#client.truncate(own, 0))) return
    const copied = this.#copyRange(file.number, index, within, own, index, within, length)
    if (!allow('copy', copied, ENOSPC) || copied === 0) return
    const read = this.#client.read(own, atom * atomBytes, copied)
    if (read !== copied) throw new Error(`of ${copied} bytes that were copied ${read} are there`)
    const foreign = firstForeign(this.#client.words, file.id, atom, Math.floor(read / atomBytes))
    if (foreign >= 0)
      throw new Error(`atom ${foreign} of a copy is not of inode ${file.number} and that place`)
  }

  /** A guarded file is not changed. */
  #guard(directory: number): void {
    const own = this.#ownFile(directory)
    if (own === 0) return
    const { flags } = this.#client.engine
    const flag = this.#random.of([flagAppend, flagImmutable])
    if (!allow('flags', flags.set(own, userFlags, flag))) return
    const error = this.#client.truncate(own, 0)
    if (error !== -EPERM) throw new Error(`truncate of a guarded file gave ${error}`)
    allow('flags', flags.set(own, userFlags, 0))
  }

  #setxattr(inode: Referred): void {
    const which = this.#random.below(names.length)
    const length = this.#random.below(this.#random.of(lengths))
    this.#client.buffer.bytes.set(valueOf(inode.id, which, length), 3)
    const error = this.#client.engine.xattrs.set(
      inode.number,
      this.#client.name(names[which]!),
      this.#client.buffer,
      3,
      length,
      this.#random.of([0, 0, XATTR_CREATE, XATTR_REPLACE]),
    )
    // Of a link or a special file, `user.` is refused.
    allow('setxattr', error, ENOSPC, EEXIST, ENODATA, EPERM, E2BIG)
  }

  #getxattr(inode: Referred): void {
    const which = this.#random.below(names.length)
    const length = this.#client.getxattr(inode.number, names[which]!)
    if (!allow('getxattr', length, ENODATA, EPERM)) return
    if (!this.#client.contents(length).equals(valueOf(inode.id, which, length)))
      throw new Error(`${names[which]} of inode ${inode.number} has not a value that was set`)
  }

  #removexattr(inode: Referred): void {
    const name = this.#client.name(this.#random.of(names))
    allow('removexattr', this.#client.engine.xattrs.remove(inode.number, name), ENODATA, EPERM, ENOSPC)
  }

  #setAcl(inode: Referred, isDirectory: boolean): void {
    const name = this.#client.name(isDirectory && this.#random.below(2) === 0 ? defaultAcl : accessAcl)
    const { xattrs } = this.#client.engine
    if (this.#random.below(3) === 0) {
      allow('removing an ACL', xattrs.remove(inode.number, name), ENODATA, EOPNOTSUPP, ENOSPC)
      return
    }
    const value = aclBytes(this.#random.of(acls))
    this.#client.buffer.bytes.set(value, 3)
    const error = xattrs.set(inode.number, name, this.#client.buffer, 3, value.length, 0)
    allow('setting an ACL', error, ENOSPC, EOPNOTSUPP)
  }

  #setFlags({ number }: Referred): void {
    const { flags } = this.#client.engine
    const project = this.#random.below(3)
    const wanted = this.#random.below(2) === 0 ? 0 : harmless & (flagSync | this.#random.below(2 ** 15))
    const error =
      project === 0
        ? flags.setWithProject(number, harmless, wanted, this.#random.below(1000))
        : flags.set(number, harmless, wanted)
    // Some are for directories, and none for links and special files.
    allow('flags', error, EOPNOTSUPP)
  }

  #ownFile(directory: number): number {
    if (this.#own !== 0) return this.#own
    const made = this.#client.engine.createNameless(directory, this.#client.newInode(0o100600))
    if (made > 0) this.#own = made
    return this.#own
  }
}

function positionOf(atom: number): [index: number, within: number] {
  const offset = atom * atomBytes
  return [Math.floor(offset / blockBytes), offset % blockBytes]
}

/** Whoever sets this attribute of this file to so many bytes sets it to these. */
function valueOf(id: number, which: number, length: number): Buffer {
  const value = Buffer.allocUnsafe(length)
  for (let n = 0; n < length; n++) value[n] = id + 31 * n + 7 * length + which
  return value
}

/** @returns whether the call succeeded @throws Error where it failed in a way that it must not */
export function allow(call: string, result: number, ...errors: readonly number[]): boolean {
  if (result >= 0) return true
  if (!errors.includes(-result)) throw new Error(`${call} gave ${result}`)
  return false
}
