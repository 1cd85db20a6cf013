// SPDX-License-Identifier: GPL-2.0-only
/**
 * A program that changes a directory of its own on a mount whose server may be killed at any time. It knows what has
 * been acknowledged, and what it was waiting for.
 */
import { link, mkdir, open, rename, rmdir, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { VolumeFiles } from '../../../src/api/volume-files.js'
import type { Random } from '../random.js'

/** A file's contents; null is a directory. */
type Contents = Buffer | null
type State = ReadonlyMap<string, Contents>

interface Step {
  readonly act: () => Promise<unknown>
  readonly after: State
  /** Contents of a file before and after, which may be mixed while this is not acknowledged: they change in place. */
  readonly torn?: { readonly before: Buffer; readonly after: Buffer }
}

const mostBytes = 20_000
/** What memory stores at once. */
const atomBytes = 8
/** What calls end with whose server is gone: before they were sent, and after; and over io_uring. */
const endsOfServers: ReadonlySet<string | undefined> = new Set(['ENOTCONN', 'ECONNABORTED', 'ECANCELED'])

export class Client {
  readonly name: string
  readonly #folder: string
  readonly #random: Random
  #state: State = new Map()
  #step: Step | null = null
  #made = 0
  acknowledged = 0

  constructor(mountpoint: string, name: string, random: Random) {
    this.name = name
    this.#folder = join(mountpoint, name)
    this.#random = random
  }

  /** Goes on until the server is gone. @param wait after each call that was acknowledged */
  async run(goOn: () => boolean, wait: () => Promise<unknown>): Promise<void> {
    while (goOn()) {
      this.#step = this.#next()
      try {
        await this.#step.act()
      } catch (error) {
        if (endsOfServers.has((error as NodeJS.ErrnoException).code)) return
        throw error
      }
      this.#state = this.#step.after
      this.#step = null
      this.acknowledged++
      await wait()
    }
  }

  begin(): Promise<unknown> {
    return mkdir(this.#folder)
  }

  /** What is wrong with what is left of the directory; null: nothing. */
  async judge(files: VolumeFiles): Promise<string | null> {
    const found = await this.#found(files)
    const { torn } = this.#step ?? {}
    const notBefore = difference(found, this.#state, torn)
    if (notBefore === null || this.#step === null) return notBefore
    const notAfter = difference(found, this.#step.after, torn)
    return notAfter === null ? null : `neither acknowledged (${notBefore}) nor on its way (${notAfter})`
  }

  async #found(files: VolumeFiles): Promise<State> {
    const found = new Map<string, Contents>()
    for (const name of await files.readdir(`/${this.name}`)) {
      const path = `/${this.name}/${name}`
      const isDirectory = (await files.stat(path)).isDirectory()
      found.set(name, isDirectory ? null : Buffer.from(await files.readFile(path)))
    }
    return found
  }

  #next(): Step {
    const random = this.#random
    const names = [...this.#state.keys()]
    const plain = names.filter((name) => this.#state.get(name) !== null)
    const kind = names.length < 4 ? 'create' : random.of(kinds)
    const fresh = `n${this.#made++}`
    const one = plain.length === 0 ? null : random.of(plain)
    if (one === null || kind === 'create') return this.#create(fresh)
    const contents = this.#state.get(one)!
    const path = this.#path(one)
    switch (kind) {
      case 'mkdir':
        return { act: () => mkdir(this.#path(fresh)), after: this.#with([fresh, null]) }
      case 'rmdir': {
        const folder = names.find((name) => this.#state.get(name) === null)
        if (folder === undefined) return this.#create(fresh)
        return { act: () => rmdir(this.#path(folder)), after: this.#with([folder]) }
      }
      case 'link':
        return { act: () => link(path, this.#path(fresh)), after: this.#with([fresh, contents]) }
      case 'rename': {
        const to = random.of(plain)
        // Names of one file: rename(2) leaves both.
        if (this.#state.get(to) === contents) return this.#create(fresh)
        return { act: () => rename(path, this.#path(to)), after: this.#with([one], [to, contents]) }
      }
      case 'unlink':
        return { act: () => unlink(path), after: this.#with([one]) }
      case 'truncate': {
        const length = random.below(contents.length + 5000)
        const cut = Buffer.alloc(length)
        contents.copy(cut)
        return { act: () => truncate(path, length), after: this.#written(one, cut) }
      }
      case 'write':
        return this.#write(one, random.below(contents.length + 1), random.bytes(1 + random.below(mostBytes)))
    }
  }

  #create(name: string): Step {
    return { act: () => writeFile(this.#path(name), ''), after: this.#with([name, Buffer.alloc(0)]) }
  }

  #write(name: string, offset: number, bytes: Buffer): Step {
    const old = this.#state.get(name)!
    const contents = Buffer.alloc(Math.max(old.length, offset + bytes.length))
    old.copy(contents)
    bytes.copy(contents, offset)
    const act = async (): Promise<void> => {
      const file = await open(this.#path(name), 'r+')
      try {
        const { bytesWritten } = await file.write(bytes, 0, bytes.length, offset)
        // The server has gone between two requests for the one call.
        if (bytesWritten < bytes.length) throw Object.assign(new Error('cut short'), { code: 'ENOTCONN' })
      } finally {
        await file.close().catch(() => undefined)
      }
    }
    return { act, after: this.#written(name, contents), torn: { before: old, after: contents } }
  }

  /** The contents of a file, under each of its names. */
  #written(name: string, contents: Buffer): State {
    const old = this.#state.get(name)!
    return new Map([...this.#state].map(([other, value]) => [other, value === old ? contents : value]))
  }

  #with(...changes: readonly (readonly [string, Contents?])[]): State {
    const state = new Map(this.#state)
    for (const [name, contents] of changes) {
      if (contents === undefined) state.delete(name)
      else state.set(name, contents)
    }
    return state
  }

  #path(name: string): string {
    return join(this.#folder, name)
  }
}

const kinds = ['create', 'mkdir', 'rmdir', 'link', 'rename', 'unlink', 'truncate', 'write', 'write'] as const

function difference(found: State, wanted: State, torn: Step['torn']): string | null {
  for (const name of found.keys()) if (!wanted.has(name)) return `${name} is there`
  for (const [name, contents] of wanted) {
    const other = found.get(name)
    if (other === undefined) return `${name} is missing`
    if ((contents === null) !== (other === null)) return `${name} is of another type`
    if (contents === null) continue
    // The same Buffer stands for all names of a file.
    if (contents === torn?.before || contents === torn?.after) {
      if (isMixed(other!, torn)) continue
      return `${name} is no mixture of before and after`
    }
    if (Buffer.compare(contents, other!) !== 0)
      return `${name} has other contents: ${other!.length} bytes, not ${contents.length}`
  }
  return null
}

/**
 * Whether each eight bytes are old or new up to the old size, and what lies behind it is new: a size is stored once the
 * data that it takes in is durable. The size is old, new, or that of one request of several.
 */
export function isMixed(found: Buffer, { before, after }: NonNullable<Step['torn']>): boolean {
  if (found.length < before.length || found.length > after.length) return false
  if (!found.subarray(before.length).equals(after.subarray(before.length, found.length))) return false
  for (let at = 0; at < before.length; at += atomBytes) {
    const end = Math.min(at + atomBytes, before.length)
    const part = found.subarray(at, end)
    if (!part.equals(before.subarray(at, end)) && !part.equals(after.subarray(at, end))) return false
  }
  return true
}
