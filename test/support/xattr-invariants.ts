// SPDX-License-Identifier: GPL-2.0-only
/** What holds of the extended attributes of one inode, told from the medium's bytes and the format alone. */
import { flagCapability, flagInlineData, inlineBytes, inode as layout } from '../../layout/inode.js'
import { blockBytes } from '../../layout/geometry.js'
import { xattrBlock, xattrEntry, xattrPrefixes } from '../../layout/xattr.js'
import { aclText, modeOfAcl } from './acl-text.js'
import type { Invariants, RawInode } from './invariants.js'

const at = layout.word

export class XattrInvariants {
  readonly #all: Invariants
  readonly #inode: RawInode
  readonly #names = new Set<string>()
  #blocks = 0

  constructor(all: Invariants, inode: RawInode) {
    this.#all = all
    this.#inode = inode
  }

  /** @returns blocks of attributes */
  check(): number {
    const { number, words } = this.#inode
    const size = words[at.size]!
    const start = words[at.flags]! & flagInlineData ? Math.ceil(size / 4) : 0
    const bytes = words[at.xattrBytes]!
    if (start * 4 + bytes > inlineBytes) this.#say(`has ${bytes} bytes of attributes inline`)
    else this.#walk(words, at.inline + start, bytes, 'inline')
    const root = words[at.xattrRoot]!
    if (root !== 0) this.#checkBlock(root)
    const hasCapability = this.#names.has('security.capability')
    if (hasCapability !== ((words[at.flags]! & flagCapability) !== 0))
      this.#all.say(number, 'has a wrong flag for security.capability')
    return this.#blocks
  }

  #checkBlock(block: number): void {
    const { medium } = this.#all
    this.#own(block)
    const start = medium.wordOf(block)
    const words = medium.wordsOf(block).subarray(start, start + blockBytes / 4)
    const bytes = words[xattrBlock.word.bytes]!
    if (words[xattrBlock.word.inode] !== this.#inode.number) this.#say('has attributes of another inode')
    if (bytes === 0 || bytes > blockBytes - xattrBlock.lengthBytes)
      this.#say(`has ${bytes} bytes in its block`)
    else this.#walk(words, xattrBlock.lengthWords, bytes, 'in its block')
  }

  #walk(words: Uint32Array, start: number, bytes: number, where: string): void {
    const end = start + bytes / 4
    let word = start
    while (word + xattrEntry.lengthWords <= end) {
      const key = words[word + xattrEntry.word.key]!
      const length = words[word + xattrEntry.word.length]!
      const [namespace, nameLength, form] = [key & 255, (key >>> 8) & 255, key >>> 16]
      word += xattrEntry.lengthWords
      const suffix = Buffer.from(words.buffer, words.byteOffset + word * 4, nameLength).toString('latin1')
      const name = `${xattrPrefixes[namespace] ?? `namespace ${namespace} `}${suffix}`
      this.#addName(name)
      word += Math.ceil(nameLength / 4)
      if (form === 0) {
        this.#checkAcl(name, Buffer.from(words.buffer, words.byteOffset + word * 4, length))
        word += Math.ceil(length / 4)
        continue
      }
      if (form !== 1 || length === 0 || length > 65536) this.#say(`has an attribute of form ${form}`)
      const blocks = words.subarray(word, word + Math.ceil(length / blockBytes))
      for (const block of blocks) this.#own(block)
      word += blocks.length
      const value = Buffer.concat([...blocks].map((block) => this.#bytesOf(block)))
      this.#checkAcl(name, value.subarray(0, length))
    }
    if (word !== end) this.#say(`has attributes ${where} that end at word ${word}, not ${end}`)
  }

  #bytesOf(block: number): Uint8Array {
    const { medium } = this.#all
    const start = medium.byteOf(block)
    return medium.bytesOf(block).subarray(start, start + blockBytes)
  }

  /** An access ACL agrees with the mode and says more than that; only directories have a default ACL. */
  #checkAcl(name: string, value: Buffer): void {
    const mode = this.#inode.words[at.mode]!
    if (name === 'system.posix_acl_default' && (mode & 0o170000) !== 0o040000)
      this.#say('has a default ACL, but is no directory')
    if (name !== 'system.posix_acl_access') return
    const text = aclText(value)
    if (modeOfAcl(text) !== (mode & 0o777)) this.#say(`has mode ${mode.toString(8)} and the ACL ${text}`)
    if (!text.includes('m::')) this.#say('has an ACL that says no more than its mode')
  }

  #addName(name: string): void {
    if (this.#names.has(name)) this.#say(`has the attribute ${name} twice`)
    this.#names.add(name)
  }

  #own(block: number): void {
    this.#all.own(block, `attributes of inode ${this.#inode.number}`)
    this.#blocks++
  }

  #say(problem: string): void {
    this.#all.say(this.#inode.number, problem)
  }
}
