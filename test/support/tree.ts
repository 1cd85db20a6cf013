// SPDX-License-Identifier: GPL-2.0-only
/** All that a user can see of a volume, as text by path: two volumes are the same if their trees are. */
import { createHash } from 'node:crypto'
import type { EngineCaller, Extent } from './engine-caller.js'

const blockBytes = 4096
/** What one read asks for: much, so that holes are told quickly. */
const chunkBytes = 2 ** 30

export interface TreeNode {
  /** Attributes and, of a symbolic link, its target. */
  readonly facts: string
  /** Of a regular file, block by block; what is not there is zeros. */
  readonly contents: ReadonlyMap<number, Buffer>
}

export type Tree = ReadonlyMap<string, TreeNode>

export function treeOf(caller: EngineCaller, from = 1): Tree {
  const tree = new Map<string, TreeNode>()
  const visit = (inode: number, path: string) => {
    const facts = { inode, ...caller.attributes(inode) }
    const type = facts.mode & 0o170000
    const target = type === 0o120000 ? caller.readlink(inode) : null
    const contents = type === 0o100000 ? contentsOf(caller, inode, facts.size) : new Map<number, Buffer>()
    tree.set(path, { facts: JSON.stringify({ ...facts, target, xattrs: xattrsOf(caller, inode) }), contents })
    if (type !== 0o040000) return
    for (const entry of caller.entries(inode)) visit(entry.inode, `${path}/${entry.name}`)
  }
  visit(from, '')
  tree.set('volume', { facts: JSON.stringify(caller.usage()), contents: new Map() })
  return tree
}

/** The first difference between two trees, null for none. */
export function difference(got: Tree, wanted: Tree): string | null {
  for (const [path, node] of wanted) {
    const other = got.get(path)
    if (other === undefined) return `${path} is missing`
    if (other.facts !== node.facts) return `${path} is ${other.facts}, not ${node.facts}`
    for (const index of new Set([...node.contents.keys(), ...other.contents.keys()])) {
      const [mine, theirs] = [node.contents.get(index), other.contents.get(index)]
      if (mine === undefined || theirs?.equals(mine) !== true) return `${path} differs in block ${index}`
    }
  }
  for (const path of got.keys()) if (!wanted.has(path)) return `${path} should not be`
  return null
}

/** Extended attributes by name, sorted; of a value its length and digest. */
function xattrsOf(caller: EngineCaller, inode: number): Record<string, string> {
  const names = caller.listxattr(inode)
  if (typeof names === 'number') throw new Error(`listxattr of inode ${inode}: ${names}`)
  const values: Record<string, string> = {}
  for (const name of names.sort()) {
    const value = caller.getxattr(inode, name)
    if (typeof value === 'number') throw new Error(`getxattr of inode ${inode}, ${name}: ${value}`)
    values[name] = `${value.length} ${createHash('sha1').update(value).digest('hex')}`
  }
  return values
}

function contentsOf(caller: EngineCaller, inode: number, size: number): Map<number, Buffer> {
  const contents = new Map<number, Buffer>()
  for (let offset = 0; offset < size;) {
    const extents = caller.extents(inode, offset, Math.min(chunkBytes, size - offset))
    if (typeof extents === 'number') throw new Error(`read of inode ${inode}: ${extents}`)
    offset = addBlocks(contents, extents, offset)
  }
  return contents
}

function addBlocks(contents: Map<number, Buffer>, extents: readonly Extent[], from: number): number {
  let offset = from
  for (const { bytes, length } of extents) {
    for (let done = 0; bytes !== null && done < length; done += blockBytes) {
      contents.set((offset + done) / blockBytes, bytes.subarray(done, Math.min(length, done + blockBytes)))
    }
    offset += length
  }
  return offset
}
