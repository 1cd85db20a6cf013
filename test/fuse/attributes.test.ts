// SPDX-License-Identifier: GPL-2.0-only
/**
 * What the kernel learns of an inode besides its attributes: which use of its number it is, and how long all that
 * holds.
 */
import { test } from 'tap'
import { attributeWords } from '../../src/fs/attributes.js'
import { attributeSeconds, foreverSeconds, putEntry } from '../../src/fuse/attributes.js'
import { fuse_entry_out } from '../../src/fuse/protocol.js'
import { nameOf, newInode } from '../support/engine-caller.js'
import { MemoryVolume } from '../support/memory-volume.js'
import { RequestDriver } from '../support/request-driver.js'
import { root } from '../support/test-volume.js'

const { generation, attr_valid, entry_valid } = fuse_entry_out.word

void test('the root has generation 0, as the kernel made it, however it is looked up', (t) => {
  const volume = new MemoryVolume(2 ** 24)
  t.teardown(() => volume.release())
  const driver = new RequestDriver(volume, 'devfuse')
  t.teardown(() => driver.release())
  const directory = volume.engine.create(root, nameOf('directory'), newInode(0o040755, 0))
  for (const [from, name, found, isZero] of [
    [directory, '..', root, true],
    [root, '..', root, true],
    [root, '.', root, true],
    [directory, '.', directory, false],
    [root, 'directory', directory, false],
  ] as const) {
    t.equal(driver.lookup(from, Buffer.from(name)), found)
    t.equal(driver.reply(generation) === 0, isZero, `generation of ${name} from ${from}`)
  }
  t.end()
})

void test('attributes are valid for ever, but those of set-ID files not at all', (t) => {
  const volume = new MemoryVolume(2 ** 24)
  t.teardown(() => volume.release())
  const { engine } = volume
  const attributes = new Uint32Array(attributeWords)
  const reply = new Int32Array(fuse_entry_out.lengthWords)
  const whileGathering = attributeSeconds(true)
  t.ok(
    whileGathering > 0 && whileGathering <= 1,
    'the kernel does not learn of blocks by what it writes back',
  )
  for (const [mode, seconds, gathering = seconds] of [
    [0o100755, foreverSeconds, whileGathering],
    [0o104755, 0],
    [0o102755, 0],
    [0o106777, 0],
    [0o101777, foreverSeconds, whileGathering],
    [0o042755, foreverSeconds],
    [0o014644, foreverSeconds],
  ] as const) {
    const number = engine.create(root, nameOf(mode.toString(8)), newInode(mode, 0))
    t.equal(engine.getattr(number, attributes), 0)
    putEntry(reply, 0, number, attributes, attributeSeconds(true))
    t.equal(reply[attr_valid], gathering, `mode 0${mode.toString(8)}, with writeback_cache`)
    putEntry(reply, 0, number, attributes, attributeSeconds(false))
    t.equal(reply[attr_valid], seconds, `mode 0${mode.toString(8)}`)
    t.equal(reply[entry_valid], foreverSeconds, 'the name is')
  }
  t.end()
})
