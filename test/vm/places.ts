// SPDX-License-Identifier: GPL-2.0-only
/** Where the bytes of the guest's devices lie in files of the host, and when the guest changes them. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { Guest } from './guest.js'

/** As the guest's tell_places() calls them, and the images. */
const images = {
  pmem: 'pmem',
  devdax: 'devdax',
  daxfile: 'fsdax',
  memmap: 'memory',
  first: 'first',
  second: 'second',
} as const

export type PlaceName = keyof typeof images

/** Bytes of an image. */
export interface Place {
  readonly image: string
  readonly offset: number
  readonly size: number
}

/** What the guest's tell_places() has written. Its memory begins at the address 0. */
export function placeOf(guest: Guest, name: PlaceName): Place {
  const lines = readFileSync(join(guest.shared, 'places'), 'utf8').split('\n')
  const line = lines.find((line) => line.startsWith(`${name} `))
  const [region, start, size] = (line ?? '').split(' ').slice(1).map(Number)
  if (region === undefined || start === undefined || size === undefined)
    throw new Error(`the guest has not told where ${name} lies`)
  const offset = name === 'memmap' ? start : start - region
  return { image: guest.image(images[name]), offset, size }
}

/** Tells when bytes of a device change, by their place on it. */
export class Watch {
  readonly #fd: number
  readonly #position: number
  readonly #before: Buffer
  readonly #now: Buffer

  constructor(guest: Guest, name: PlaceName, from: number, lengthBytes: number) {
    const { image, offset } = placeOf(guest, name)
    this.#fd = openSync(image, 'r')
    this.#position = offset + from
    this.#before = Buffer.alloc(lengthBytes)
    this.#now = Buffer.alloc(lengthBytes)
    readSync(this.#fd, this.#before, 0, lengthBytes, this.#position)
  }

  hasChanged(): boolean {
    readSync(this.#fd, this.#now, 0, this.#now.length, this.#position)
    return !this.#now.equals(this.#before)
  }

  close(): void {
    closeSync(this.#fd)
  }
}
