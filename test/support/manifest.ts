// SPDX-License-Identifier: GPL-2.0-only
/** All that a copy has to keep of a directory tree: one line of facts by path, contents as a digest. */
import { createHash } from 'node:crypto'
import { type BigIntStats } from 'node:fs'
import { lstat, readFile, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'

export type Manifest = ReadonlyMap<string, string>

const atOnce = 8

async function contentsOf(path: string, stats: BigIntStats): Promise<string> {
  if (stats.isSymbolicLink()) return `-> ${await readlink(path)}`
  if (!stats.isFile()) return `device ${stats.rdev}`
  const digest = createHash('sha1').update(await readFile(path))
  return `${stats.size} bytes ${digest.digest('hex')}`
}

/** Attributes in the order of ls -l, with the time in nanoseconds. */
async function factsOf(path: string, stats: BigIntStats): Promise<string> {
  const { mode, uid, gid, mtimeNs, nlink } = stats
  const links = stats.isDirectory() ? '' : ` ${nlink} links`
  const contents = stats.isDirectory() ? '' : ` ${await contentsOf(path, stats)}`
  return `${mode.toString(8)}${links} ${uid}:${gid} ${mtimeNs}${contents}`
}

/** Names of one file are told apart from files that are alike: each is given the first of them. */
function namesOfOne(found: readonly (readonly [path: string, stats: BigIntStats])[]): Map<bigint, string> {
  const first = new Map<bigint, string>()
  for (const [path, { ino, nlink }] of found) if (nlink > 1 && !first.has(ino)) first.set(ino, path)
  return first
}

/** @param top left out of the paths; its own attributes are told as those of `.` */
export async function manifestOf(top: string): Promise<Manifest> {
  const found: [path: string, stats: BigIntStats][] = [['.', await lstat(top, { bigint: true })]]
  const visit = async (directory: string): Promise<void> => {
    for (const name of (await readdir(join(top, directory))).sort()) {
      const path = join(directory, name)
      const stats = await lstat(join(top, path), { bigint: true })
      found.push([path, stats])
      if (stats.isDirectory()) await visit(path)
    }
  }
  await visit('.')
  const first = namesOfOne(found)
  const manifest = new Map<string, string>()
  for (let n = 0; n < found.length; n += atOnce) {
    const part = found.slice(n, n + atOnce)
    const facts = await Promise.all(part.map(([path, stats]) => factsOf(join(top, path), stats)))
    part.forEach(([path, stats], index) => {
      const same = stats.isDirectory() ? undefined : first.get(stats.ino)
      manifest.set(path, same === undefined ? facts[index]! : `${facts[index]!} is ${same}`)
    })
  }
  return manifest
}

/** The first differences, in words; empty where there is none. */
export function differences(found: Manifest, wanted: Manifest, limit = 5): string[] {
  const problems: string[] = []
  for (const [path, facts] of wanted) {
    const there = found.get(path)
    if (there !== facts) problems.push(`${path}: ${there ?? 'missing'}, not ${facts}`)
  }
  for (const path of found.keys()) if (!wanted.has(path)) problems.push(`${path}: it should not be there`)
  return problems.slice(0, limit)
}
