// SPDX-License-Identifier: GPL-2.0-only
/** Paths that end in slashes, dots and links: each call does with them what Linux does, asked by way of node:fs. */
import fs from 'node:fs/promises'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { openFiles } from '../../src/api/volume-files.js'
import { sampleOf } from '../support/extent.js'
import { seed } from '../support/random.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { formattedDevice, problemsOn } from './formatted-device.js'

/** What a volume and node:fs both have. */
interface Files {
  stat(path: string): Promise<unknown>
  lstat(path: string): Promise<{ isDirectory(): boolean }>
  readFile(path: string): Promise<unknown>
  writeFile(path: string, data: string): Promise<void>
  truncate(path: string): Promise<void>
  readdir(path: string): Promise<string[]>
  mkdir(path: string): Promise<unknown>
  symlink(target: string, path: string): Promise<void>
  readlink(path: string): Promise<string>
  link(existing: string, path: string): Promise<void>
  unlink(path: string): Promise<void>
  rmdir(path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  chmod(path: string, mode: number): Promise<void>
  chown(path: string, uid: number, gid: number): Promise<void>
}

/** Calls of one path. */
const calls: Record<string, (files: Files, path: string) => Promise<unknown>> = {
  stat: (files, path) => files.stat(path),
  lstat: (files, path) => files.lstat(path),
  readFile: (files, path) => files.readFile(path),
  truncate: (files, path) => files.truncate(path),
  readdir: (files, path) => files.readdir(path),
  readlink: (files, path) => files.readlink(path),
  chmod: (files, path) => files.chmod(path, 0o755),
  chown: (files, path) => files.chown(path, -1, -1),
  writeFile: (files, path) => files.writeFile(path, 'x'),
  mkdir: (files, path) => files.mkdir(path),
  symlink: (files, path) => files.symlink('target', path),
  unlink: (files, path) => files.unlink(path),
  rmdir: (files, path) => files.rmdir(path),
}

/** Calls of two paths, both looked at from the same directory. */
const pairCalls: Record<string, (files: Files, from: string, to: string) => Promise<unknown>> = {
  link: (files, from, to) => files.link(from, to),
  rename: (files, from, to) => files.rename(from, to),
}

/** What each call finds. */
async function fill(files: Files, at: string): Promise<void> {
  await files.mkdir(at)
  await files.writeFile(`${at}/file`, 'contents')
  await files.mkdir(`${at}/empty`)
  await files.mkdir(`${at}/full`)
  await files.mkdir(`${at}/full/inner`)
  await files.symlink('file', `${at}/to-file`)
  await files.symlink('file/', `${at}/to-file-slashed`)
  await files.symlink('empty', `${at}/to-empty`)
  await files.symlink('nothing', `${at}/to-nothing`)
  await files.symlink('nothing/', `${at}/to-nothing-slashed`)
  await files.symlink('.', `${at}/to-dot`)
}

const names = ['file', 'empty', 'full', 'to-file', 'to-empty', 'to-nothing', 'to-dot', 'nothing']
const ends = ['', '/', '//', '/.', '/./', '/..', '/nothing', '/nothing/']
const slashedLinks = ['to-file-slashed', 'to-nothing-slashed']
const paths = [...names, ...slashedLinks].flatMap((name) => ends.map((end) => `/${name}${end}`))
const pairNames = ['file', 'empty', 'full', 'to-file', 'to-empty', 'nothing']
const pairPaths = pairNames.flatMap((name) => ['', '/', '/.'].map((end) => `/${name}${end}`))

/** What a call did in a directory of its own: its error, and what is there afterwards. */
async function effect(files: Files, at: string, call: (at: string) => Promise<unknown>): Promise<string> {
  await fill(files, at)
  const code = await call(at).then(
    () => 'done',
    (error: unknown) => (error as NodeJS.ErrnoException).code,
  )
  return `${code}: ${(await tree(files, at)).join(' ')}`
}

async function tree(files: Files, at: string): Promise<string[]> {
  const found: string[] = []
  for (const name of (await files.readdir(at)).sort()) {
    found.push(name)
    if ((await files.lstat(`${at}/${name}`)).isDirectory())
      found.push('(', ...(await tree(files, `${at}/${name}`)), ')')
  }
  return found
}

/** Does the same on a new volume and on tmpfs, and tells where that had not the same effect. */
async function differences(
  t: Test,
  cases: readonly { what: string; call: (files: Files, at: string) => Promise<unknown> }[],
): Promise<string[]> {
  const device = formattedDevice(t, 64 * 2 ** 20)
  const volume = await openFiles(device)
  const directory = await temporaryDirectory(t, SHARED_MEMORY)
  const found: string[] = []
  for (const [n, { what, call }] of cases.entries()) {
    const wanted = await effect(fs, join(directory, `${n}`), (at) => call(fs, at))
    const got = await effect(volume, `/${n}`, (at) => call(volume, at))
    if (got !== wanted) found.push(`${what}: ${got}, should be ${wanted}`)
  }
  await volume.close()
  return [...found, ...problemsOn(device)]
}

for (const [name, call] of Object.entries(calls)) {
  void test(name, async (t) => {
    const cases = paths.map((path) => ({
      what: `${name} ${path}`,
      call: (files: Files, at: string) => call(files, at + path),
    }))
    t.same(await differences(t, sampleOf(cases, 3)), [], `seed ${seed}`)
  })
}

for (const [name, call] of Object.entries(pairCalls)) {
  void test(name, async (t) => {
    const cases = pairPaths.flatMap((from) =>
      pairPaths.map((to) => ({
        what: `${name} ${from} ${to}`,
        call: (files: Files, at: string) => call(files, at + from, at + to),
      })),
    )
    t.same(await differences(t, sampleOf(cases, 3)), [], `seed ${seed}`)
  })
}

void test('the root, and no path at all', async (t) => {
  const volume = await openFiles(formattedDevice(t, 2 ** 22))
  t.teardown(() => volume.close())
  await volume.mkdir('/below')
  await volume.symlink('/', '/below/to-root')
  const { ino } = await volume.stat('/')
  for (const path of ['//', '/.', '/..', '/below/..', '/below/to-root', '/below/to-root/'])
    t.equal((await volume.stat(path)).ino, ino, path)
  await t.rejects(volume.mkdir('/'), { code: 'EEXIST' })
  await t.rejects(volume.writeFile('/', 'x'), { code: 'EISDIR' })
  await t.rejects(volume.unlink('/'), { code: 'EISDIR' })
  await t.rejects(volume.rmdir('/'), { code: 'EBUSY' })
  await t.rejects(volume.rename('/', '/below/root'), { code: 'EBUSY' })
  await t.rejects(volume.rename('/below', '/'), { code: 'EBUSY' })
  for (const call of Object.values(calls)) await t.rejects(call(volume, ''), { code: 'ENOENT' })
  for (const call of Object.values(pairCalls)) {
    await t.rejects(call(volume, '', '/new'), { code: 'ENOENT' })
    await t.rejects(call(volume, '/below/to-root', ''), { code: 'ENOENT' })
  }
  t.same(await volume.readdir('/'), ['below'])
})

void test('a path of 4096 bytes is too long, and a tree may be deeper than that', async (t) => {
  const device = formattedDevice(t, 64 * 2 ** 20)
  const volume = await openFiles(device)
  const tooLong = { code: 'ENAMETOOLONG' }
  const ofLength = (length: number) => `${'/'.repeat(length - 4)}file`
  await volume.writeFile(ofLength(4095), 'x')
  const path = ofLength(4096)
  t.equal(await volume.readFile(ofLength(4095), 'utf8'), 'x')
  const files = volume as unknown as Files
  for (const [name, call] of Object.entries(calls)) await t.rejects(call(files, path), tooLong, name)
  for (const [name, call] of Object.entries(pairCalls)) {
    await t.rejects(call(files, path, '/new'), tooLong, name)
    await t.rejects(call(files, '/file', path), tooLong, name)
  }
  await t.rejects(volume.stat('ä'.repeat(2048)), { ...tooLong, syscall: 'stat' }, 'bytes count')
  await t.rejects(volume.stat(`/missing${path}`), tooLong, 'before anything is looked for')
  await t.rejects(volume.rm(path, { recursive: true, force: true }), tooLong)
  await t.rejects(volume.mkdir(path, { recursive: true }), tooLong)

  const half = `/${'directory/'.repeat(300)}`
  for (const top of ['/one', '/two']) await volume.mkdir(`${top}${half}`, { recursive: true })
  await volume.writeFile(`/two${half}/file`, 'x')
  await volume.rename('/two', `/one${half}/two`)
  const found = await volume.readdir('/one', { recursive: true })
  t.equal(found.length, 602)
  t.equal(found.at(-1)?.length, `${half}two${half}file`.length - 1)
  await volume.rm('/one', { recursive: true })
  t.same(await volume.readdir('/'), ['file'])
  await volume.close()
  t.same(problemsOn(device), [])
})
