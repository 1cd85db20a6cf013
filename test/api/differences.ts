// SPDX-License-Identifier: GPL-2.0-only
/** The same calls on a new volume and, by way of node:fs, on tmpfs: what they gave and left behind, side by side. */
import fs from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { openFiles } from '../../src/api/volume-files.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { formattedDevice, problemsOn } from './formatted-device.js'

/** What node:fs and a volume both have, loosely typed: what types forbid is tried too. */
export type Calls = Record<string, (...args: readonly unknown[]) => Promise<unknown>>

export interface Case {
  readonly what: string
  /** @param at a directory of its own */
  readonly call: (files: Calls, at: string) => Promise<unknown>
}

/** How a call went, and the tree afterwards, in words. */
async function effect(files: Calls, at: string, call: Case['call']): Promise<string> {
  await fill(files, at)
  const said = await call(files, at).then(
    (value) => `gave ${shown(value, at)}`,
    (error: unknown) => failure(error, at),
  )
  return `${said}; ${(await tree(files, at)).join(' ')}`
}

function failure(error: unknown, at: string): string {
  const { name, code, syscall, path, dest } = error as NodeJS.ErrnoException & { dest?: string }
  // For what is no system call of one path, node:fs names helpers of its own.
  const known = code?.startsWith('E') === true && !code.startsWith('ERR_') ? [syscall, path, dest] : [name]
  return ['failed', code, ...known.map((part) => part?.replace(at, ''))].join(' ')
}

function shown(value: unknown, at: string): string {
  if (Array.isArray(value))
    return `[${value
      .map((item) => shown(item, at))
      .sort()
      .join(', ')}]`
  if (ArrayBuffer.isView(value))
    return `${value.constructor.name} ${Buffer.from(value as Uint8Array).toString('hex')}`
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .map(([key, item]) => `${key}: ${shown(item, at)}`)
      .sort()
      .join(', ')}}`
  return typeof value === 'string' ? `'${value.replace(at, '')}'` : `${typeof value} ${String(value)}`
}

async function fill(files: Calls, at: string): Promise<void> {
  await files['mkdir']!(at)
  await files['writeFile']!(`${at}/file`, 'contents')
  await files['mkdir']!(`${at}/full`)
  await files['writeFile']!(`${at}/full/ä`, 'inner')
  await files['mkdir']!(`${at}/full/below`)
  await files['symlink']!('file', `${at}/link`)
  await files['symlink']!('nothing', `${at}/dangling`)
}

async function tree(files: Calls, at: string): Promise<string[]> {
  const found: string[] = []
  for (const name of ((await files['readdir']!(at)) as string[]).sort()) {
    const path = `${at}/${name}`
    const stats = (await files['lstat']!(path)) as Awaited<ReturnType<typeof fs.lstat>>
    const mode = stats.mode.toString(8)
    if (stats.isDirectory()) found.push(`${name}/ ${mode} (`, ...(await tree(files, path)), ')')
    else if (stats.isSymbolicLink()) found.push(`${name} -> ${String(await files['readlink']!(path))}`)
    else found.push(`${name} ${mode} ${String(await files['readFile']!(path, 'latin1'))}`)
  }
  return found
}

/** Where a volume differs from tmpfs, and what fsck finds on it. */
export async function differences(t: Test, cases: readonly Case[]): Promise<string[]> {
  const device = formattedDevice(t, 64 * 2 ** 20)
  const volume = (await openFiles(device)) as unknown as Calls
  const directory = await temporaryDirectory(t, SHARED_MEMORY)
  const found: string[] = []
  for (const [n, { what, call }] of cases.entries()) {
    const wanted = await effect(fs as unknown as Calls, join(directory, `${n}`), call)
    const got = await effect(bound(volume), `/${n}`, call)
    if (got !== wanted) found.push(`${what}:\n  ${got}\n  should be\n  ${wanted}`)
  }
  await volume['close']!()
  return [...found, ...problemsOn(device)]
}

/** Calls that can be handed around without their volume. */
function bound(volume: Calls): Calls {
  return new Proxy(volume, { get: (target, name: string) => target[name]!.bind(target) })
}
