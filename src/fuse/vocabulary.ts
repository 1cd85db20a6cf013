// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a file system says and is told in the calls of file-system.ts. The engine, which stands below this folder, says
 * the same; so the parts lie in src/fs, and a file system of another kind takes them from here, with some help.
 */
import type { AttributeChange } from '../fs/attributes.js'
import { type DirectorySink, cookieOfDot, cookieOfDotDot } from '../fs/directory-reader.js'
import { S_IFDIR, typeOfMode } from '../fs/mode.js'
import { NewInode } from '../fs/new-inode.js'
import type { Contents, Names } from './file-system.js'

export { type AttributeChange, SET_SIZE } from '../fs/attributes.js'
export type { DirectorySink } from '../fs/directory-reader.js'
export * from '../fs/errno.js'
export * from '../fs/mode.js'
export type { Name } from '../fs/name.js'
export { NewInode } from '../fs/new-inode.js'
export type { VolumeUsage } from '../fs/volume-usage.js'
export type { WriteRequest } from '../fs/write-request.js'
export type { ReadSink } from './file-system.js'
export { InodeAttributes } from './inode-attributes.js'

export type SymlinkCall = Parameters<Names['symlink']>
export type ReadCall = Parameters<Contents['beginRead']>

const dots = Buffer.from('..')

/** What a root directory is made of. */
export function newDirectory(permissions: number): NewInode {
  const made = new NewInode()
  made.mode = S_IFDIR | permissions
  return made
}

/** The size that a change names, in bytes. */
export function sizeOf({ sizeLow, sizeHigh }: AttributeChange): number {
  return (sizeHigh >>> 0) * 2 ** 32 + (sizeLow >>> 0)
}

/**
 * Tells the dots of a directory, which the kernel resolves by itself; their cookies come before those of entries.
 * @param after the cookie of the last entry that was told @returns false to end the listing
 */
export function tellDots(sink: DirectorySink, directory: number, parent: number, after: number): boolean {
  const type = typeOfMode(S_IFDIR)
  return (
    (after >= cookieOfDot || sink.entry(directory, type, dots, 0, 1, cookieOfDot, 0)) &&
    (after >= cookieOfDotDot || sink.entry(parent, type, dots, 0, 2, cookieOfDotDot, 0))
  )
}
