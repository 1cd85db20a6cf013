// SPDX-License-Identifier: GPL-2.0-only
/** A file system that is too simple to be wrong: Maps and Buffers. What the engine does is held against it. */
import { EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EPERM } from '../../src/fs/errno.js'
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE } from '../../src/fs/fallocate.js'
import { RENAME_EXCHANGE, RENAME_NOREPLACE } from '../../src/fs/rename.js'

export type Kind = 'directory' | 'file' | 'link'

export class OracleNode {
  readonly kind: Kind
  readonly entries = new Map<string, OracleNode>()
  parent: OracleNode
  data = Buffer.alloc(0)
  target = ''
  names = 1
  mode = 0
  mtime = 0
  ctime = 0
  /** The engine's number for it. */
  inode = 0

  constructor(kind: Kind, parent: OracleNode | null, now: number) {
    this.kind = kind
    this.parent = parent ?? this
    this.mtime = now
    this.ctime = now
  }

  get links(): number {
    if (this.kind !== 'directory') return this.names
    return 2 + [...this.entries.values()].filter((node) => node.kind === 'directory').length
  }

  isWithin(ancestor: OracleNode): boolean {
    return this === ancestor || (this.parent !== this && this.parent.isWithin(ancestor))
  }
}

export class Oracle {
  readonly root: OracleNode
  /** Milliseconds since 1970; every change is made at this moment. */
  now: number

  constructor(now: number) {
    this.now = now
    this.root = new OracleNode('directory', null, now)
    this.root.inode = 1
  }

  /** Directories and files that have a name, in an order that does not change while none comes or goes. */
  all(kind: Kind): OracleNode[] {
    const found = new Set<OracleNode>()
    const visit = (node: OracleNode) => {
      if (node.kind === kind) found.add(node)
      for (const child of node.entries.values()) visit(child)
    }
    visit(this.root)
    return [...found]
  }

  create(parent: OracleNode, name: string, kind: Kind): OracleNode | number {
    if (parent.entries.has(name)) return -EEXIST
    const node = new OracleNode(kind, parent, this.now)
    parent.entries.set(name, node)
    this.#modified(parent)
    return node
  }

  link(node: OracleNode, parent: OracleNode, name: string): number {
    if (node.kind === 'directory') return -EPERM
    if (parent.entries.has(name)) return -EEXIST
    parent.entries.set(name, node)
    node.names++
    node.ctime = this.now
    this.#modified(parent)
    return 0
  }

  remove(parent: OracleNode, name: string, wantDirectory: boolean): number {
    const node = parent.entries.get(name)
    if (node === undefined) return -ENOENT
    const unfit = this.#removable(node, wantDirectory)
    if (unfit !== 0) return unfit
    parent.entries.delete(name)
    this.#dropped(node)
    this.#modified(parent)
    return 0
  }

  rename(from: OracleNode, oldName: string, to: OracleNode, newName: string, flags: number): number {
    const moved = from.entries.get(oldName)
    const other = to.entries.get(newName)
    if (moved === undefined) return -ENOENT
    if (other === undefined && flags & RENAME_EXCHANGE) return -ENOENT
    if (other !== undefined && flags & RENAME_NOREPLACE) return -EEXIST
    if (moved === other) return 0
    const exchange = (flags & RENAME_EXCHANGE) !== 0
    if (moved.kind === 'directory' && to.isWithin(moved)) return -EINVAL
    if (exchange && other?.kind === 'directory' && from.isWithin(other)) return -EINVAL
    if (!exchange && other !== undefined) {
      if (from.isWithin(other)) return -ENOTEMPTY
      const unfit = this.#removable(other, moved.kind === 'directory')
      if (unfit !== 0) return unfit
      this.#dropped(other)
    }
    from.entries.delete(oldName)
    if (exchange && other !== undefined) {
      from.entries.set(oldName, other)
      this.#moved(other, from)
    }
    to.entries.set(newName, moved)
    this.#moved(moved, to)
    this.#modified(from)
    this.#modified(to)
    return 0
  }

  write(node: OracleNode, offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#resize(node, Math.max(node.data.length, offset + bytes.length))
    node.data.set(bytes, offset)
    this.#modified(node)
  }

  truncate(node: OracleNode, size: number): void {
    this.#resize(node, size)
    this.#modified(node)
  }

  /** Room for data is nothing that can be read; a range that is punched or zeroed reads as zeros. */
  fallocate(node: OracleNode, mode: number, offset: number, length: number): void {
    const end = offset + length
    if ((mode & FALLOC_FL_KEEP_SIZE) === 0) this.#resize(node, Math.max(node.data.length, end))
    const clears = (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) !== 0
    if (clears && offset < node.data.length) node.data.fill(0, offset, Math.min(end, node.data.length))
    this.#modified(node)
  }

  chmod(node: OracleNode, mode: number): void {
    node.mode = mode
    node.ctime = this.now
  }

  #resize(node: OracleNode, size: number): void {
    const data = Buffer.alloc(size)
    node.data.copy(data)
    node.data = data
  }

  #removable(node: OracleNode, wantDirectory: boolean): number {
    if (!wantDirectory) return node.kind === 'directory' ? -EISDIR : 0
    if (node.kind !== 'directory') return -ENOTDIR
    return node.entries.size > 0 ? -ENOTEMPTY : 0
  }

  #dropped(node: OracleNode): void {
    node.names--
    node.ctime = this.now
  }

  #moved(node: OracleNode, parent: OracleNode): void {
    node.ctime = this.now
    if (node.kind === 'directory') node.parent = parent
  }

  #modified(node: OracleNode): void {
    node.mtime = this.now
    node.ctime = this.now
  }
}
