// SPDX-License-Identifier: GPL-2.0-only
/**
 * The npm package fuse-native, an optional dependency: it binds libfuse 2.9. It is loaded when its channel is asked
 * for, and what is missing then is named. The types are those of its version 2.2.6, as far as they are used here;
 * package.json names that version exactly, because some of what is used is not documented.
 */
import { createRequire } from 'node:module'

/** @param result negative errno, or what the call is to return */
export type Reply = (result: number, ...values: readonly unknown[]) => void

/** What the file system answers, one function for each call of libfuse. The last argument is the {@link Reply}. */
export type Operations = Readonly<Record<string, (...args: never[]) => void>>

/** What libfuse's thread waits with: the record of its request. */
export type RequestRecord = Uint8Array

export type Handler = (record: RequestRecord, operation: number, ...args: unknown[]) => void

export interface MountedFuse {
  /** @param done called with null once libfuse is initialised */
  open(done: (error: Error | null) => void): void
  /** Lets go of what keeps the event loop alive. */
  close(done: (error: Error | null) => void): void
  /** The list of -o for libfuse. */
  _fuseOptions(): string
  /** By the number of the operation; not all numbers have one. */
  _makeHandlerArray(): Handler[]
  _op_getxattr(signal: Reply, path: string, name: string, value: Buffer): void
  _op_listxattr(signal: Reply, path: string, list: Buffer): void
}

export interface FuseLibrary {
  new (mountpoint: string, operations: Operations, options: { readonly timeout: false }): MountedFuse
  unmount(mountpoint: string, done: (error: Error | null) => void): void
}

const packageName = 'fuse-native'

/** Why the package cannot be used, and what helps. */
export class LibraryError extends Error {
  override readonly name = 'LibraryError'
}

/**
 * @param load a `require` that looks for packages
 * @throws LibraryError
 */
export function loadFuseLibrary(
  load: (name: string) => unknown = createRequire(import.meta.url),
): FuseLibrary {
  let library: FuseLibrary
  try {
    library = load(packageName) as FuseLibrary
  } catch (error) {
    throw new LibraryError(`the channel fuse-native ${problemOf(error)}`, { cause: error })
  }
  // Its own would run a shell on the name of the mount point. Whoever mounts by it here unmounts by umount2(2).
  library.unmount = (_mountpoint, done) => done(null)
  return library
}

function problemOf(error: unknown): string {
  const text = error instanceof Error ? error.message.split('\n', 1)[0]! : String(error)
  const isMissing = error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND'
  if (isMissing && text.includes(`'${packageName}'`))
    return `needs the npm package ${packageName}, which is not installed: install pmfs2 again without --omit=optional (in a clone: npm install); npm leaves it out where it cannot be built, and it has a binary for x86-64 alone`
  if (text.includes('libfuse.so.2'))
    return `needs libfuse 2, which is not installed: on Debian, apt-get install libfuse2 (${text})`
  return `cannot be used, as the npm package ${packageName} does not load here: ${text}`
}
