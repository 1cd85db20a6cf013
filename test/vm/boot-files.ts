// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a guest is booted from: Debian's kernel, and an initramfs of busybox, the kernel modules that are needed, and
 * guest/init.sh. The packages are unpacked, not installed, and what is needed of them is kept in the user's cache.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { packageRoot } from '../support/program.js'
import { run } from '../support/run-command.js'

export interface BootFiles {
  readonly kernel: string
  readonly initramfs: string
}

const limitMs = 600_000
const cacheFolder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'pmfs2-vm')
const init = join(packageRoot, 'test/vm/guest/init.sh')

/** In load order. What a kernel has built in, or lacks, is passed over. */
const modules = [
  ...['virtio_ring', 'virtio', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci'],
  ...['netfs', 'fscache', '9pnet', '9pnet_virtio', '9p', 'fuse', 'overlay'],
  ...['crc32c_generic', 'libcrc32c', 'crc16', 'mbcache', 'jbd2', 'ext4'],
  ...['libnvdimm', 'nd_btt', 'dax_pmem', 'nd_pmem', 'nfit', 'nd_e820', 'device_dax'],
  'mce_inject',
]

/** What modules were looked for when the parts were fetched. */
const wantedFile = 'wanted'

/** @param folder where to put the initramfs */
export async function bootFiles(folder: string): Promise<BootFiles> {
  const parts = await fetchBootParts()
  const tree = join(folder, 'initramfs')
  for (const place of ['bin', 'dev', 'proc', 'sys', 'host', 'run', 'root', 'modules'])
    mkdirSync(join(tree, place), { recursive: true })
  copyFileSync(join(parts, 'busybox'), join(tree, 'bin/busybox'))
  copyFileSync(init, join(tree, 'init'))
  for (const name of readdirSync(join(parts, 'modules')))
    copyFileSync(join(parts, 'modules', name), join(tree, 'modules', name))
  const initramfs = join(folder, 'initrd')
  await run('sh', [
    '-c',
    'cd "$1" && chmod 755 init bin/busybox && bsdtar -cf "$2" --format newc .',
    'sh',
    tree,
    initramfs,
  ])
  rmSync(tree, { recursive: true })
  return { kernel: join(parts, 'vmlinuz'), initramfs }
}

/** @returns the folder that has `vmlinuz`, `busybox` and `modules`, fetched if they are not there yet */
export async function fetchBootParts(): Promise<string> {
  const dependencies = await run('apt-cache', ['depends', 'linux-image-amd64'])
  const kernel = /Depends: (linux-image-\S+)/.exec(dependencies)?.[1]
  if (kernel === undefined) throw new Error('apt-cache knows no linux-image-amd64: run apt-get update')
  const parts = join(cacheFolder, kernel)
  if (isWhole(parts)) return parts
  rmSync(parts, { recursive: true, force: true })
  const fresh = `${parts}.${process.pid}`
  mkdirSync(join(fresh, 'modules'), { recursive: true })
  try {
    const script =
      'cd "$1" && shift && apt-get -qq download "$@" && for deb in *.deb; do dpkg -x "$deb" unpacked; done'
    await run('sh', ['-c', script, 'sh', fresh, kernel, 'busybox-static'], limitMs)
    const unpacked = join(fresh, 'unpacked')
    await run('sh', ['-c', 'cp "$1"/boot/vmlinuz-* "$2"', 'sh', unpacked, join(fresh, 'vmlinuz')])
    copyFileSync(await findFile(unpacked, 'busybox'), join(fresh, 'busybox'))
    await copyModules(unpacked, join(fresh, 'modules'))
    rmSync(unpacked, { recursive: true })
    writeFileSync(join(fresh, wantedFile), modules.join(' '))
    for (const name of readdirSync(fresh).filter((name) => name.endsWith('.deb'))) rmSync(join(fresh, name))
    renameSync(fresh, parts)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
  return parts
}

/** Whether the parts are there, and were fetched for the modules that are wanted now. */
function isWhole(parts: string): boolean {
  const path = join(parts, wantedFile)
  return existsSync(path) && readFileSync(path, 'utf8') === modules.join(' ')
}

async function copyModules(unpacked: string, folder: string): Promise<void> {
  const list = await run('find', [unpacked, '-name', '*.ko', '-o', '-name', '*.ko.xz'])
  const found = new Map(
    list.split('\n').map((path) => [
      basename(path)
        .replace(/\.ko(\.xz)?$/, '')
        .replaceAll('-', '_'),
      path,
    ]),
  )
  const there = modules.filter((name) => found.has(name))
  for (const name of there) {
    const path = found.get(name)!
    const target = join(folder, `${name}.ko`)
    if (path.endsWith('.xz')) await run('sh', ['-c', 'xz -dc "$1" >"$2"', 'sh', path, target])
    else copyFileSync(path, target)
  }
  writeFileSync(join(folder, 'order'), `${there.join('\n')}\n`)
}

async function findFile(folder: string, name: string): Promise<string> {
  const [path] = (await run('find', [folder, '-name', name, '-type', 'f', '-perm', '/111'])).split('\n')
  if (path === undefined || path === '') throw new Error(`the package has no ${name}`)
  return path
}
