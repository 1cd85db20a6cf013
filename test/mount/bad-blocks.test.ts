// SPDX-License-Identifier: GPL-2.0-only
/**
 * Mounts of a device some blocks of which turn bad: who needs one of these hears EIO, all else goes on, the commands
 * say whose they are, and what is lost with them does not spread.
 */
import { closeSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import tap from 'tap'
import { entryChecksum } from '../../layout/checksum.js'
import { laneHeader, undoAllocate, undoEntry } from '../../layout/lane.js'
import { entryBlock, entryWord } from '../../src/fs/undo.js'
import { BadDevice } from '../support/bad-device.js'
import { turnRingOn } from '../support/ring-switch.js'
import { run } from '../support/run-command.js'
import { System, outcome } from '../support/system.js'
import { type TearsDown, temporaryDirectory } from '../support/temporary.js'
import { pmfs2, pmfs2Process, succeed, until } from '../support/test-mount.js'

tap.setTimeout(300_000)

const page = 4096
const sizeBytes = 2 ** 24

interface Bad {
  readonly device: BadDevice
  readonly mountpoint: string
  readonly system: System
  mount: (...args: readonly string[]) => Promise<string>
  unmount: () => Promise<void>
}

async function makeBad(t: TearsDown): Promise<Bad> {
  const device = await BadDevice.make(t, sizeBytes)
  const mountpoint = join(await temporaryDirectory(t), 'mount')
  mkdirSync(mountpoint)
  await succeed('mkfs', device.path)
  const system = await System.start()
  t.teardown(() => system.stop())
  let isMounted = false
  const unmount = async (): Promise<void> => {
    if (isMounted) await succeed('umount', mountpoint)
    isMounted = false
  }
  t.teardown(unmount)
  return {
    device,
    mountpoint,
    system,
    async mount(...args) {
      const said = await succeed(device.path, mountpoint, ...args)
      isMounted = true
      return said
    },
    unmount,
  }
}

/** What `dump` shows of an inode: its blocks, or the fields of it. */
async function blocksOf({ device }: Bad, inode: number): Promise<number[]> {
  const text = await succeed('dump', device.path, 'blocks', `${inode}`, '--json')
  const blocks = [...text.matchAll(/"block": (\d+)(?:,\s*"count": (\d+))?/g)]
  return blocks.flatMap(([, first, count]) =>
    Array.from({ length: Number(count ?? 1) }, (_, n) => Number(first) + n),
  )
}

/** @returns what dd(1) says of one page */
function readPage(path: string, index: number): Promise<string> {
  return run('sh', ['-c', `dd if='${path}' of=/dev/null bs=4096 skip=${index} count=1 2>&1 || true`])
}

async function inodeOf(path: string): Promise<number> {
  return Number(await run('stat', ['-c', '%i', path]))
}

for (const [option, value] of [
  ['--channel', turnRingOn(tap)],
  ['--channel', 'devfuse'],
  ['--mapper', 'mmap-io'],
] as const) {
  void tap.test(`a bad block of a file, with ${option} ${value}`, async (t) => {
    const bad = await makeBad(t)
    const { device, mountpoint, system } = bad
    const path = join(mountpoint, 'file')
    // What the server of the device does with a flush cannot be seen.
    t.match(
      await bad.mount(option, value),
      /a power failure loses depends on fuse\S* on \S+, which PMFS2 cannot see into$/m,
    )
    t.match(await succeed('info', mountpoint, '--json'), /"unseen": "fuse\S* on /)
    await system.writeFile(path, Buffer.alloc(8 * page, 'a').toString())
    await system.writeFile(join(mountpoint, 'other'), 'whole')
    const inode = await inodeOf(path)
    await bad.unmount()
    const blocks = await blocksOf(bad, inode)
    const lost = blocks[2]!
    await bad.mount(option, value)
    device.spoil(lost)

    t.match(await readPage(path, 2), /Input\/output error/)
    for (const index of [0, 1, 3, 7]) t.match(await readPage(path, index), /4096 bytes/, `page ${index}`)
    t.match(await readPage(path, 2), /Input\/output error/, 'again')
    t.equal((await system.readFile(join(mountpoint, 'other'))).toString(), 'whole')
    t.equal(await outcome(system.writeFile(join(mountpoint, 'new'), 'new')), 'OK')
    t.match(await run('df', [mountpoint]), /%/)
    const isTold = async () => /damage +met/.test(await succeed('info', device.path))
    t.ok(await until(isTold))
    t.match(
      await succeed('info', device.path),
      new RegExp(`block ${lost}, byte ${lost * page} of \\S+, is bad`),
    )
    t.match(await succeed('info', mountpoint), new RegExp(`^ *bad blocks +1 on ${device.path};`, 'm'))
    t.equal(await outcome(system.unlink(path)), 'OK')
    await bad.unmount()

    const checked = await pmfs2(['fsck', device.path])
    t.match(checked.output, new RegExp(`damage was met .*block ${lost}, byte ${lost * page} of \\S+, is bad`))
    t.equal(checked.end, 0, 'nothing has it any more')
    await bad.mount(option, value)
    const filled = await outcome(system.writeFile(join(mountpoint, 'full'), 'x'.repeat(2 ** 23)))
    t.match(filled, /OK|ENOSPC/, 'no call meets it')
    await bad.unmount()
    device.mend(lost)
  })
}

/**
 * While one thread comes upon bad blocks, another makes directories, and some more when that is over. It prints how
 * many it has tried to make, how many calls have failed, and the names of those that were made.
 */
const makeWhileReading = `
import os, sys, threading
folder, path, pages = sys.argv[1], sys.argv[2], int(sys.argv[3])
is_over = False
def read():
    global is_over
    for index in range(pages):
        if os.path.isdir(path):
            try: os.listdir(os.path.join(path, str(index)))
            except OSError: pass
            continue
        fd = os.open(path, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
        try: os.pread(fd, 4096, index * 4096)
        except OSError: pass
        os.close(fd)
    is_over = True
thread = threading.Thread(target=read)
thread.start()
kept, failed, n, after = [], 0, 0, 0
while after < 10:
    n += 1
    after += is_over
    name = str(n)
    try:
        os.mkdir(os.path.join(folder, name))
        kept.append(name)
    except OSError:
        failed += 1
thread.join()
print(n, failed, ' '.join(kept))
`

async function namesIn(folder: string): Promise<string[]> {
  const said = await run('ls', ['-U', folder])
  return said
    .split('\n')
    .filter((name) => name !== '')
    .sort()
}

for (const channel of [turnRingOn(tap), 'devfuse']) {
  void tap.test(`what others do while a bad block is met, over ${channel}`, async (t) => {
    const bad = await makeBad(t)
    const { device, mountpoint, system } = bad
    const pages = 60
    const mount = () => bad.mount('--channel', channel, '--workers', '2')
    await mount()
    const [file, folders] = [join(mountpoint, 'file'), join(mountpoint, 'folders')]
    await system.writeFile(file, 'x'.repeat(pages * page))
    await system.mkdir(folders)
    for (let n = 0; n < pages; n++) await system.mkdir(join(folders, `${n}`))
    for (let n = 0; n < pages; n++) await system.writeFile(join(folders, `${n}`, 'inside'), '')
    const data = await inodeOf(file)
    const inodes = await Promise.all(Array.from({ length: pages }, (_, n) => inodeOf(join(folders, `${n}`))))
    await bad.unmount()
    const contents = await blocksOf(bad, data)
    const leaves: number[] = []
    for (const inode of inodes) leaves.push(...(await blocksOf(bad, inode)))
    t.same([contents.length, leaves.length], [pages, pages])
    for (const [what, path, blocks] of [
      ['contents', file, contents],
      ['leaves', folders, leaves],
    ] as const) {
      const into = join(mountpoint, `made beside ${what}`)
      await mount()
      await system.mkdir(into)
      device.spoil(...blocks)
      const said = await run('python3', ['-c', makeWhileReading, into, path, `${pages}`])
      const [count, failed, ...kept] = said.trim().split(' ')
      t.ok(kept.length > 0, `${count} in all`)
      if (what === 'contents') t.equal(failed, '0', `of ${count}: nobody else has met anything`)
      t.same(await namesIn(into), kept.sort(), 'as the kernel has it')
      await bad.unmount()
      device.mend(...blocks)
      await mount()
      t.same(await namesIn(into), kept.sort(), 'as it is')
      await bad.unmount()
    }
  })
}

void tap.test('bad blocks of metadata', async (t) => {
  const bad = await makeBad(t)
  const { device, mountpoint, system } = bad
  await bad.mount()
  const folder = join(mountpoint, 'folder')
  await system.mkdir(folder)
  await system.writeFile(join(folder, 'inside'), 'inside')
  const mapped = join(mountpoint, 'mapped')
  await system.writeFile(mapped, 'm'.repeat(5 * page))
  const [ofFolder, ofMapped] = [await inodeOf(folder), await inodeOf(mapped)]
  await bad.unmount()
  const [leaf] = (await blocksOf(bad, ofFolder)) as [number]
  const text = await succeed('dump', device.path, 'blocks', `${ofMapped}`, '--json')
  const node = Number(/"root": (\d+)/.exec(text)![1])
  device.spoil(leaf, node)

  const checked = await pmfs2(['fsck', device.path])
  t.equal(checked.end, 4)
  t.match(
    checked.output,
    new RegExp(`^inode ${ofFolder}: block ${leaf}, byte \\d+ of \\S+, is bad, and holds its leaf$`, 'm'),
  )
  t.match(
    checked.output,
    new RegExp(`^inode ${ofMapped}: block ${node}, byte \\d+ of \\S+, is bad, and holds its map$`, 'm'),
  )
  t.match(
    (await pmfs2(['dump', device.path, 'dir', `${ofFolder}`])).output,
    new RegExp(`leaf ${leaf} is bad`),
  )

  await bad.mount()
  t.equal(await outcome(system.stat(join(folder, 'inside'))), 'EIO')
  t.equal(await outcome(system.readFile(mapped)), 'EIO')
  t.equal(await outcome(system.writeFile(join(mountpoint, 'new'), 'new')), 'OK')
  t.equal(await outcome(system.unlink(mapped)), 'OK', 'it stays, without its name')
  await bad.unmount()
  device.mend(leaf, node)
})

void tap.test('errors=remount-ro', async (t) => {
  const bad = await makeBad(t)
  const { device, mountpoint, system } = bad
  await bad.mount('-o', 'errors=remount-ro')
  const [path, folder] = [join(mountpoint, 'file'), join(mountpoint, 'folder')]
  await system.writeFile(path, 'x'.repeat(page))
  await system.mkdir(folder)
  await system.writeFile(join(folder, 'inside'), '')
  const [file, directory] = [await inodeOf(path), await inodeOf(folder)]
  await bad.unmount()
  const [block] = (await blocksOf(bad, file)) as [number]
  const [leaf] = (await blocksOf(bad, directory)) as [number]
  await bad.mount('-o', 'errors=remount-ro')
  const isTold = async () => /damage +met/.test(await succeed('info', device.path))
  device.spoil(block)
  t.match(await readPage(path, 0), /Input\/output error/)
  t.match(await readPage(path, 0), /Input\/output error/)
  t.ok(await until(isTold))
  t.equal(await outcome(system.writeFile(join(mountpoint, 'new'), 'x')), 'OK', 'contents are no reason')
  device.spoil(leaf)
  t.equal(await outcome(system.stat(join(folder, 'none'))), 'EIO')
  const isReadOnly = async () => (await outcome(system.writeFile(join(mountpoint, 'new'), 'x'))) === 'EROFS'
  t.ok(await until(isReadOnly), 'metadata is')
  await bad.unmount()
  device.mend(block, leaf)
})

void tap.test('bad blocks of the fixed areas', async (t) => {
  const bad = await makeBad(t)
  const { device, mountpoint, system } = bad
  await bad.mount()
  await system.writeFile(join(mountpoint, 'file'), 'kept')
  await bad.unmount()
  const { laneStart, bitmapStart } = placesOf(await succeed('dump', device.path, 'superblock', '--json'))

  device.spoil(laneStart)
  const refused = await pmfs2([device.path, mountpoint])
  t.equal(refused.end, 32)
  t.match(
    refused.output,
    new RegExp(
      `^mount: ${device.path}: block ${laneStart}, byte ${laneStart * page} of \\S+, is bad, and holds the undo log; `,
    ),
  )
  t.match((await pmfs2(['fsck', device.path])).output, /is bad, and holds the undo log$/m)
  device.mend(laneStart)

  device.spoil(bitmapStart)
  t.match(
    (await pmfs2([device.path, mountpoint])).output,
    /holds the block bitmap; it can only be mounted read-only/,
  )
  await bad.mount('-o', 'ro')
  t.equal((await system.readFile(join(mountpoint, 'file'))).toString(), 'kept')
  await bad.unmount()
  device.mend(bitmapStart)
  await bad.mount()
  await bad.unmount()
})

void tap.test('a transaction in flight has changed a part of the bitmap that is bad', async (t) => {
  const bad = await makeBad(t)
  const { device, mountpoint, system } = bad
  await bad.mount()
  await system.writeFile(join(mountpoint, 'file'), 'kept')
  await bad.unmount()
  const { laneStart, bitmapStart, blockCount } = placesOf(
    await succeed('dump', device.path, 'superblock', '--json'),
  )
  logAllocation(device.path, laneStart, blockCount >>> 1)
  device.spoil(bitmapStart)

  const limitMs = 30_000
  const checked = await pmfs2Process(['fsck', device.path], limitMs)
  t.equal(checked.end, 4)
  t.match(checked.output, /is bad, and holds the block bitmap/)
  t.match(checked.output, /a transaction is in flight/)
  const refused = await pmfs2Process([device.path, mountpoint], limitMs)
  t.equal(refused.end, 32)
  t.match(refused.output, /holds the block bitmap; it can only be mounted read-only/)
  const mounted = await pmfs2Process([device.path, mountpoint, '-o', 'ro'], limitMs)
  t.equal(mounted.end, 0, mounted.output)
  t.match(mounted.output, /recovery undid 1 unfinished operation/)
  t.equal((await system.readFile(join(mountpoint, 'file'))).toString(), 'kept')
  await succeed('umount', mountpoint)
  device.mend(bitmapStart)
})

/** Leaves what a transaction has logged that has taken a block, and did not end. */
function logAllocation(path: string, lane: number, block: number): void {
  const fd = openSync(path, 'r+')
  const header = new Uint32Array(2)
  readSync(fd, header, 0, 8, lane * page + laneHeader.word.generation * 4)
  const entry = new Uint32Array(undoEntry.lengthWords)
  entry.set([header[0]! + 1, header[1]!], undoEntry.word.generation)
  entry[undoEntry.word.kind] = undoAllocate
  entry[undoEntry.word.offset] = 1
  entry.set([block, 1], undoEntry.word.data)
  entry[undoEntry.word.checksum] = entryChecksum(entry, 0)
  writeSync(fd, entry, 0, entry.byteLength, entryBlock(lane, 0) * page + entryWord(0) * 4)
  closeSync(fd)
}

function placesOf(superblock: string): { laneStart: number; bitmapStart: number; blockCount: number } {
  const number = (name: string): number => Number(new RegExp(`"${name}": (\\d+)`).exec(superblock)![1])
  return {
    laneStart: number('laneStart'),
    bitmapStart: number('bitmapStart'),
    blockCount: number('blockCount'),
  }
}
