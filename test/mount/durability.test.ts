// SPDX-License-Identifier: GPL-2.0-only
/**
 * A reply is sent when everything that it acknowledges is durable. The server carries what its flushes, fences and
 * syncs make durable to a second file; what lies there when it is killed is recovered, and held to what was
 * acknowledged.
 */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { chmod, link, mkdir, open, rename, symlink, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import tap, { type Test } from 'tap'
import { cacheLineBytes } from '../../layout/structure.js'
import { PERSIST_CACHE_LINES, PERSIST_PAGES } from '../../src/native/index.js'
import { openFiles } from '../../src/api/volume-files.js'
import { problemsOn } from '../api/formatted-device.js'
import { extent } from '../support/extent.js'
import { Random, seed } from '../support/random.js'
import { Client } from '../support/shadow/acknowledged.js'
import { sparseFile } from '../cli/cli.js'
import { SHARED_MEMORY } from '../support/temporary.js'
import { TestMount, preload, succeed } from '../support/test-mount.js'

tap.setTimeout(600_000)

const random = new Random(seed)

/**
 * Kinds of memory that can be had here, and where: in RAM, and on a disk. The server is killed after so many calls at
 * most, or not at all.
 */
const kinds = [
  { name: 'cache lines', parent: SHARED_MEMORY, how: PERSIST_CACHE_LINES, most: 200, args: [], grows: true },
  { name: 'pages', parent: tmpdir(), how: PERSIST_PAGES, most: 40, args: [], grows: true },
  {
    name: 'mapped by mmap-io',
    parent: SHARED_MEMORY,
    how: PERSIST_CACHE_LINES,
    most: 0,
    args: ['--mapper', 'mmap-io'],
    grows: true,
  },
  {
    name: 'served by fuse-native',
    parent: SHARED_MEMORY,
    how: PERSIST_CACHE_LINES,
    most: 0,
    args: ['--channel', 'fuse-native'],
    grows: false,
  },
]

interface Shadowed {
  readonly mount: TestMount
  /** What is durable of each device. */
  readonly shadows: readonly string[]
  /** A device that may join, and what is durable of it. */
  readonly further: { readonly device: string; readonly shadow: string }
}

/** What each device holds. */
type Contents = readonly Buffer[]

async function shadowed(t: Test, parent: string, how: number): Promise<Shadowed> {
  const mount = await TestMount.make(t, '16M', parent)
  // Copies beside the devices would be looked at when the other devices of the volume are.
  const folder = join(mount.folder, 'shadows')
  await mkdir(folder)
  const device = sparseFile(join(mount.folder, 'further'), 2 ** 22)
  const devices = [...mount.devices, device]
  const all = devices.map((device) => join(folder, basename(device)))
  copy(devices, all)
  preload(
    t,
    'shadow/server',
    `PMFS2_SHADOWED=${devices.join(':')}`,
    `PMFS2_SHADOW=${all.join(':')}`,
    `PMFS2_SHADOW_HOW=${how}`,
  )
  return { mount, shadows: all.slice(0, -1), further: { device, shadow: all.at(-1)! } }
}

function copy(from: readonly string[], to: readonly string[]): void {
  for (const [n, path] of from.entries()) copyFileSync(path, to[n]!)
}

function contentsOf(paths: readonly string[]): Contents {
  return paths.map((path) => readFileSync(path))
}

function write(paths: readonly string[], contents: Contents): void {
  for (const [n, path] of paths.entries()) writeFileSync(path, contents[n]!)
}

/** The offsets of {@link differing} on each device. */
function differences(one: Contents, other: Contents): number[][] {
  return one.map((bytes, n) => differing(bytes, other[n]!))
}

/** Offsets of the cache lines in which two files differ. */
function differing(one: Buffer, other: Buffer): number[] {
  const lines: number[] = []
  for (let page = 0; page < one.length; page += 4096) {
    if (one.compare(other, page, page + 4096, page, page + 4096) === 0) continue
    for (let at = page; at < page + 4096; at += cacheLineBytes)
      if (one.compare(other, at, at + cacheLineBytes, at, at + cacheLineBytes) !== 0) lines.push(at)
  }
  return lines
}

for (const { name, parent, how, most, args, grows } of kinds) {
  void tap.test(`${name}: what a call has changed is durable when it returns`, async (t) => {
    const shadow = await shadowed(t, parent, how)
    const { mount, further } = shadow
    const devices = [...mount.devices, further.device]
    const shadows = [...shadow.shadows, further.shadow]
    const nothing = shadows.map(() => [])
    await mount.mount(...args)
    const path = (file: string): string => join(mount.mountpoint, file)
    await writeFile(path('file'), '')
    const file = await open(path('file'), 'r+')
    const bytes = random.bytes(100_000)
    const calls: Record<string, () => Promise<unknown>> = {
      mkdir: () => mkdir(path('folder')),
      create: () => writeFile(path('folder/new'), ''),
      'a short write': () => file.write(bytes, 0, 100, 4000),
      'a long write': () => file.write(bytes, 0, 99_999, 777),
      overwriting: () => file.write(bytes, 5, 50_001, 1234),
      truncate: () => truncate(path('file'), 60_001),
      link: () => link(path('file'), path('folder/again')),
      'a short link': () => symlink('target', path('short')),
      'a long link': () => symlink('t'.repeat(1000), path('long')),
      rename: () => rename(path('folder/new'), path('renamed')),
      chmod: () => chmod(path('renamed'), 0o600),
      unlink: () => unlink(path('folder/again')),
      sync: () => file.sync(),
    }
    if (grows) {
      calls['grow'] = () => succeed('grow', mount.mountpoint, further.device)
      calls['filling what it has gained'] = () => fill(path('large'))
    }
    for (const [what, call] of Object.entries(calls)) {
      await call()
      t.same(differences(contentsOf(devices), contentsOf(shadows)), nothing, what)
    }
    await file.close()
    await mount.unmount()
    t.same(differences(contentsOf(devices), contentsOf(shadows)), nothing, 'the unmount')
    t.match(await mount.check(), /clean/)
  })

  if (most === 0) continue
  void tap.test(`${name}: what was acknowledged outlives the server, and the power`, async (t) => {
    const { mount, shadows } = await shadowed(t, parent, how)
    const made = contentsOf(mount.devices)
    let acknowledged = 0
    let inDoubt = 0
    for (let round = 0; round < extent(25, 2); round++) {
      write(mount.devices, made)
      write(shadows, made)
      await mount.mount('--workers', String(1 + (round % 2)))
      const clients = Array.from({ length: 3 }, (_, n) => new Client(mount.mountpoint, `client ${n}`, random))
      for (const client of clients) await client.begin()
      const running = clients.map((client) =>
        client.run(
          () => true,
          () => sleep(0),
        ),
      )
      const enough = 5 + random.below(most)
      while (clients.reduce((sum, client) => sum + client.acknowledged, 0) < enough) await sleep(1)
      await mount.killServer()
      await Promise.all(running)
      await mount.cutOff()
      acknowledged += clients.reduce((sum, client) => sum + client.acknowledged, 0)

      const durable = contentsOf(shadows)
      const stored = contentsOf(mount.devices)
      const lines = differences(durable, stored)
      inDoubt += lines.flat().length
      // Whatever had been stored may have become durable, line by line.
      const images = [durable, stored, ...Array.from({ length: 3 }, () => mixed(durable, stored, lines))]
      for (const [n, image] of images.entries()) {
        const problem = await judge(shadows, image, clients)
        if (problem !== null) t.fail(`round ${round}, image ${n}: ${problem}`)
      }
    }
    t.ok(acknowledged > 0, `${acknowledged} calls, ${inDoubt} lines in doubt (PMFS2_SEED=${seed})`)
  })
}

/** Takes all that is free. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w')
  const piece = random.bytes(2 ** 20)
  try {
    for (;;) await file.write(piece)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    await file.close()
  }
}

function mixed(durable: Contents, stored: Contents, lines: readonly (readonly number[])[]): Contents {
  return durable.map((bytes, n) => {
    const image = Buffer.from(bytes)
    for (const at of lines[n]!) if (random.below(2) === 0) stored[n]!.copy(image, at, at, at + cacheLineBytes)
    return image
  })
}

/** @param paths to put the image to */
async function judge(
  paths: readonly string[],
  image: Contents,
  clients: readonly Client[],
): Promise<string | null> {
  write(paths, image)
  const [path] = paths as [string]
  const files = await openFiles(path)
  try {
    for (const client of clients) {
      const problem = await client.judge(files)
      if (problem !== null) return `${client.name}: ${problem}`
    }
  } finally {
    await files.close()
  }
  return problemsOn(path)[0] ?? null
}
