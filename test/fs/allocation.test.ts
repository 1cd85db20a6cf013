// SPDX-License-Identifier: GPL-2.0-only
/** The request path leaves no garbage: calls that warmed up take no memory of the JavaScript heap. */
import { type Test, test } from 'tap'
import { AttributeChange, SET_MODE, SET_SIZE, attributeWords } from '../../src/fs/attributes.js'
import { FilePosition } from '../../src/fs/file-position.js'
import { VolumeUsage } from '../../src/fs/volume-usage.js'
import { createTransferBuffer, releaseTransferBuffer } from '../../src/pmem/transfer-buffer.js'
import { aclBytes } from '../support/acl-text.js'
import { nameOf, newInode } from '../support/engine-caller.js'
import { allocatorOf, copierOf, writerOf } from '../support/engine-requests.js'
import { allowedBytesPerCall, bytesPerCall } from '../support/heap-growth.js'
import { MemoryVolume } from '../support/memory-volume.js'
import { root } from '../support/test-volume.js'

/** Where the size in bytes no longer fits into a small integer of the JavaScript engine's. */
const blocksOfThreeGiB = (3 * 2 ** 30) / 4096
const accessAcl = nameOf('system.posix_acl_access')
const defaultAcl = nameOf('system.posix_acl_default')

void test('calls on the request path allocate nothing', (t) => {
  const volume = new MemoryVolume(2 ** 24)
  t.teardown(() => volume.release())
  const { engine } = volume
  const buffer = createTransferBuffer('test data', 4096)
  t.teardown(() => releaseTransferBuffer(buffer))
  const write = writerOf(engine, buffer)
  const copyRange = copierOf(engine)
  const allocate = allocatorOf(engine)
  const words = new Uint32Array(attributeWords)
  for (let n = 0; n < 500; n++)
    engine.forget(engine.create(root, nameOf(`file ${n}`), newInode(0o100644, 0)), 1)
  const name = nameOf('file 250')
  const other = nameOf('another')
  const file = engine.lookup(root, name)
  const made = newInode(0o100644, 0)
  const large = engine.create(root, nameOf('large'), made)
  const toThreeGiB = new AttributeChange()
  toThreeGiB.mask = SET_SIZE
  toThreeGiB.sizeLow = 3 * 2 ** 30
  for (let n = 0; n < 64; n++) write(file, n, 0, 4096)
  const found = new FilePosition()
  const copy = engine.create(root, nameOf('copy'), made)
  const sparse = engine.create(root, nameOf('sparse'), made)
  write(sparse, 2 ** 30 + 1, 0, 4096)
  engine.setattr(large, toThreeGiB)
  const heritage = engine.create(root, nameOf('heritage'), newInode(0o040755, 0))
  const acls = [
    aclBytes('u::rwx,u:7:r-x,g::r-x,m::rwx,o::---'),
    aclBytes('u::rwx,u:9:r-x,g::r-x,m::rwx,o::---'),
  ]
  acls.forEach((acl, n) => buffer.bytes.set(acl, n * acl.length))
  const aclLength = acls[0]!.length
  engine.xattrs.set(heritage, defaultAcl, buffer, 0, aclLength, 0)
  const heir = engine.create(heritage, nameOf('heir'), made)
  const directory = newInode(0o040755, 0)
  const chmod = new AttributeChange()
  chmod.mask = SET_MODE
  const usage = new VolumeUsage()
  const removed = engine.create(root, nameOf('removed'), made)
  let told = 0
  const sink = {
    data: (_block: number, _offset: number, length: number) => void (told += length),
    hole: () => undefined,
  }
  const entries = { entry: () => true }
  // The upper half of the nanoseconds makes a word beyond 2³¹, which the engine must not box.
  const tick = (n: number) => engine.clock.set(1_700_000_000 + n, 0, 900_000_000 + n)
  const paths: readonly [name: string, call: (n: number) => void][] = [
    ['lookup', () => engine.forget(engine.lookup(root, name), 0)],
    ['lookup of what is not there', () => void engine.lookup(root, other)],
    ['getattr', () => void engine.getattr(file, words)],
    [
      'read',
      (n) => {
        tick(n)
        engine.beginRead(file, n & 63, 0, 4096, sink, false)
        engine.endRead(file)
      },
    ],
    [
      'read that notes the time',
      (n) => {
        // A day apart, so that each is due; the seconds stay below 2³¹.
        tick((n % 5000) * 86400)
        engine.beginRead(file, n & 63, 0, 4096, sink, true)
        engine.endRead(file)
      },
    ],
    [
      'overwrite of 4 KiB',
      (n) => {
        tick(n)
        write(file, n & 63, 0, 4096)
      },
    ],
    [
      'write that makes a file of 3 GiB grow',
      (n) => {
        tick(n)
        if ((n & 4095) === 0) engine.setattr(large, toThreeGiB)
        write(large, blocksOfThreeGiB, n & 4095, 1)
      },
    ],
    [
      'create, write, unlink',
      (n) => {
        tick(n)
        const inode = engine.create(root, other, made)
        write(inode, 0, 0, 4096)
        engine.unlink(root, other)
        engine.forget(inode, 1)
      },
    ],
    [
      'create and unlink of what inherits ACLs',
      (n) => {
        tick(n)
        const inode = engine.create(heritage, other, n & 1 ? made : directory)
        if (n & 1) engine.unlink(heritage, other)
        else engine.rmdir(heritage, other)
        engine.forget(inode, 1)
      },
    ],
    [
      'chmod of a file with an ACL',
      (n) => {
        tick(n)
        chmod.mode = n & 0o777
        engine.setattr(heir, chmod)
      },
    ],
    [
      'setting an ACL',
      (n) => {
        tick(n)
        engine.xattrs.set(heir, accessAcl, buffer, (n & 1) * aclLength, aclLength, 0)
      },
    ],
    ['seek', (n) => void engine.ranges.seek(file, n & 63, 0, (n & 1) === 0, found)],
    ['seek past 4 TiB', (n) => void engine.ranges.seek(sparse, n & 63, 0, true, found)],
    [
      'copy of 4 KiB',
      (n) => {
        tick(n)
        copyRange(file, n & 63, 0, copy, (n + 1) & 63, 0, 4096)
      },
    ],
    [
      'copy of a hole',
      (n) => {
        tick(n)
        copyRange(large, 0, 0, copy, 64, 0, 2 ** 30)
      },
    ],
    [
      'fallocate and a hole',
      (n) => {
        tick(n)
        allocate(large, 0, 5000, 7, 5003, 9)
        allocate(large, 16, 5000, 7, 5003, 9)
        allocate(large, 3, 5000, 7, 5003, 9)
      },
    ],
    ['statfs', () => engine.usage(usage)],
    [
      'statfs while a removed file is open',
      (n) => {
        if (n === 0) engine.unlink(root, nameOf('removed'))
        engine.usage(usage)
      },
    ],
    [
      'readdir',
      (n) => {
        if (n % 100 === 0) engine.readdir(root, 0, 0, entries)
      },
    ],
  ]
  for (const [path, call] of paths) checkPath(t, path, call)
  t.ok(told > 0)
  t.equal(usage.blocks > usage.freeBlocks, true)
  engine.forget(removed, 1)
  t.end()
})

void test('nor do writes with copy-on-write', (t) => {
  const volume = new MemoryVolume(2 ** 24, 'cow')
  t.teardown(() => volume.release())
  const { engine } = volume
  const buffer = createTransferBuffer('test data', 8192)
  t.teardown(() => releaseTransferBuffer(buffer))
  const write = writerOf(engine, buffer)
  const copyRange = copierOf(engine)
  const made = newInode(0o100644, 0)
  const file = engine.create(root, nameOf('file'), made)
  const copy = engine.create(root, nameOf('copy'), made)
  for (let n = 0; n < 512; n++) write(file, n, 0, 4096)
  const writing = (within: number, length: number) => (n: number) => {
    engine.clock.set(1_700_000_000 + n, 0, 900_000_000 + n)
    write(file, (n * 5) & 255, within, length)
  }
  checkPath(t, 'overwrite of 4 KiB', writing(0, 4096))
  checkPath(t, 'unaligned overwrite of 8 KiB', writing(7, 8192))
  checkPath(t, 'overwrite of a few bytes', writing(7, 100))
  checkPath(t, 'copy', (n) => {
    copyRange(file, n & 255, 5, copy, (n * 5) & 255, 9, 4096)
  })
  t.end()
})

function checkPath(t: Test, path: string, call: (n: number) => void): void {
  const bytes = bytesPerCall(call)
  t.ok(bytes < allowedBytesPerCall, `${path}: ${bytes.toFixed(3)} bytes per call`)
}
