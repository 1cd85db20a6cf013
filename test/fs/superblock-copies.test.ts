// SPDX-License-Identifier: GPL-2.0-only
/** Two superblocks: one good copy is enough, wherever it lies; nothing that is wrong gets through. */
import tap, { type Test, test } from 'tap'
import { headerBlock, superblockBlock, windowBlocks } from '../../layout/geometry.js'
import { segmentEntry, stateClean, superblock as layout } from '../../layout/superblock.js'
import { growVolume } from '../../src/fs/grow.js'
import { Superblock, loadSuperblock } from '../../src/fs/superblock.js'
import { readSuperblock, writeSuperblock } from '../../src/fs/superblock-copies.js'
import { Volume } from '../../src/fs/volume.js'
import { VolumeError } from '../../src/fs/volume-error.js'
import { variants } from '../support/crash-explorer.js'
import { Replay } from '../support/power-failure.js'
import { Random, seed } from '../support/random.js'
import { RecordingMedium } from '../support/recording-medium.js'
import { TestVolume, epoch, formatSmall } from '../support/test-volume.js'

tap.setTimeout(300_000)

const at = layout.word

/** A formatted medium that is not open: where the copies lie depends on the number of devices. */
function formatted(...deviceBlocks: number[]): RecordingMedium {
  const volume = TestVolume.makeOn(deviceBlocks)
  volume.close()
  return volume.medium
}

function damage(medium: RecordingMedium, block: number): void {
  medium.store32(block, at.uuid, ~medium.load32(block, at.uuid))
}

/** Sets a field in both copies, with right checksums. */
function setField(medium: RecordingMedium, field: number, value: number): void {
  const { superblock } = readSuperblock(medium)
  superblock.set(field, value)
  writeSuperblock(medium, superblock)
}

function codeOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof VolumeError) return error.code
    throw error
  }
  return 'none'
}

void test('either copy is enough, and the damage is told', (t) => {
  for (const [block, which] of [
    [superblockBlock, 'first'],
    [511, 'second'],
  ] as const) {
    const medium = formatted(512)
    const { uuid } = readSuperblock(medium).superblock
    damage(medium, block)
    const reading = readSuperblock(medium)
    t.equal(reading.superblock.uuid, uuid)
    t.equal(reading.damage.length, 1)
    t.match(reading.damage[0], new RegExp(`^the ${which} superblock`))
    const volume = TestVolume.open(medium)
    volume.close()
    t.same(readSuperblock(medium).damage, [], 'mounting mends it')
  }
  t.end()
})

void test('with several devices each has a copy, and any of them is enough', (t) => {
  const medium = formatted(1024, 700)
  const copies = [superblockBlock, 1023, windowBlocks + superblockBlock]
  t.same(readSuperblock(medium).superblock.copyBlocks, copies)
  t.equal(medium.blockCount, windowBlocks + 700)
  const { uuid } = readSuperblock(medium).superblock
  for (const kept of copies) {
    const hurt = medium.clone()
    for (const block of copies) if (block !== kept) damage(hurt, block)
    const reading = readSuperblock(hurt)
    t.equal(reading.superblock.uuid, uuid)
    t.equal(reading.damage.length, 2)
    TestVolume.open(hurt).close()
    t.same(readSuperblock(hurt).damage, [], 'mounting mends them')
  }
  t.end()
})

/** The devices of one medium in another's places: `parts` are its devices, from 0. */
function assemble(
  ...parts: readonly (readonly [medium: RecordingMedium, device: number])[]
): RecordingMedium {
  return new RecordingMedium(parts.map(([medium, device]) => medium.bytes[device]!.slice()))
}

function messageOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof VolumeError) return error.message
    throw error
  }
  return ''
}

/** @param cases media, and the line with which opening each is refused; nothing on them is changed */
function checkRefusals(t: Test, cases: readonly (readonly [medium: RecordingMedium, line: RegExp])[]): void {
  for (const [medium, line] of cases) {
    const before = medium.clone()
    t.match(
      messageOf(() => TestVolume.open(medium)),
      line,
    )
    medium.bytes.forEach((bytes, n) => t.ok(Buffer.from(bytes).equals(before.bytes[n]!)))
  }
}

void test('a device that does not belong in its place is named, and nothing is changed', (t) => {
  const ours = formatted(2048, 700, 500)
  const foreign = RecordingMedium.ofDevices([2048, 700])
  formatSmall(foreign, [2048, 700], true, 9)
  const stale = ours.clone()
  for (let n = 0; n < 2; n++) TestVolume.open(ours).close()
  const bare = ours.clone()
  bare.bytes[1]!.fill(0)
  checkRefusals(t, [
    [assemble([ours, 0], [foreign, 1], [ours, 2]), /^device number 2 belongs to another file system$/],
    [assemble([ours, 0], [ours, 2], [ours, 1]), /^device number 2 is number 3 of the volume$/],
    [assemble([ours, 0], [ours, 1], [ours, 1]), /^device number 3 is number 2 of the volume$/],
    [assemble([ours, 0], [stale, 1], [ours, 2]), /^device number 2 is stale/],
    [assemble([stale, 0], [ours, 1], [ours, 2]), /^device number 1 is stale/],
    [assemble([ours, 0], [ours, 1]), /^device number 3 is missing$/],
    [assemble([bare, 0], [bare, 1], [bare, 2]), /^device number 2 has neither a header nor a superblock/],
  ])
  t.end()
})

/** The volume, with a further device. */
function withFurther(medium: RecordingMedium): RecordingMedium {
  const device = medium.bytes.length
  const larger = new RecordingMedium([...medium.clone().bytes, new Uint8Array(300 * 4096)])
  const identifier = new Uint8Array(16).fill(device + 100)
  const gain = { device, deviceBlock: 0, blocks: 300, identifier }
  growVolume(larger, readSuperblock(larger).superblock, [gain], epoch)
  return larger
}

/** The same after so many mounts. */
function mounted(medium: RecordingMedium, times: number): RecordingMedium {
  const later = medium.clone()
  for (let n = 0; n < times; n++) TestVolume.open(later).close()
  return later
}

void test('a device from before the volume grew is named', (t) => {
  const one = formatted(512)
  const grown = withFurther(one)
  for (const two of [grown, mounted(grown, 2)]) {
    const line = (device: number): RegExp =>
      new RegExp(`^device number ${device} is stale: it is from before the volume grew$`)
    checkRefusals(t, [[assemble([one, 0], [two, 1]), line(1)]])
    const more = withFurther(two)
    for (const three of [more, mounted(more, 2)])
      checkRefusals(t, [
        [assemble([two, 0], [three, 1], [three, 2]), line(1)],
        [assemble([three, 0], [two, 1], [three, 2]), line(2)],
        [assemble([two, 0], [two, 1], [three, 2]), line(1)],
        [assemble([one, 0], [two, 1], [three, 2]), line(1)],
      ])
  }
  t.end()
})

void test('nor does it pass where it has been mounted alone since, however often', (t) => {
  const one = formatted(512)
  const two = mounted(withFurther(one), 2)
  const newest = readSuperblock(two).superblock.getNumber(at.sequence)
  const lines: string[] = []
  const alone = one.clone()
  for (let mounts = 1; ; mounts++) {
    const volume = TestVolume.open(alone, epoch + mounts * 1000)
    const during = assemble([alone, 0], [two, 1])
    volume.close()
    for (const medium of [during, assemble([alone, 0], [two, 1])]) {
      const { superblock } = readSuperblock(assemble([medium, 0]))
      if (superblock.getNumber(at.sequence) > newest) {
        const apart =
          'device number 1 and the others have changed without each other: they are of different copies'
        t.same(
          [...new Set(lines)],
          ['device number 1 is stale: it is from before the volume grew', `${apart} of the volume`],
        )
        t.equal(lines.filter((line) => line.startsWith(apart)).length, 2, 'a write behind, and as new')
        t.end()
        return
      }
      lines.push(messageOf(() => readSuperblock(medium)))
    }
  }
})

void test('the growth holds where the copy that told of it first is lost', (t) => {
  const medium = formatted(512)
  const before = loadSuperblock(medium, superblockBlock)
  const grown = withFurther(medium)
  const sequence = readSuperblock(grown).superblock.getNumber(at.sequence)
  before.setNumber(at.sequence, sequence - 1)
  before.store(grown, superblockBlock)
  damage(grown, 511)
  const { superblock, damage: found } = readSuperblock(grown)
  t.equal(superblock.get(at.deviceCount), 2)
  t.equal(found.length, 1)
  TestVolume.open(grown).close()
  t.same(readSuperblock(grown).damage, [])
  t.equal(loadSuperblock(grown, superblockBlock).get(at.deviceCount), 2)
  t.end()
})

void test('a device that missed one write is no stale one, also where the next write is cut off', (t) => {
  const medium = formatted(2048, 700, 500)
  const ahead = windowBlocks * 2 + superblockBlock
  const { superblock } = readSuperblock(medium)
  superblock.setNumber(at.sequence, superblock.getNumber(at.sequence) + 1)
  superblock.store(medium, ahead)
  medium.fence()
  medium.startRecording()
  TestVolume.open(medium).drop()
  const recording = medium.stopRecording()
  const replay = new Replay(recording)
  const random = new Random(seed)
  while (replay.advance()) {
    for (const survivors of variants(replay.lines, random)) {
      const image = replay.image(survivors)
      const where = `fence ${replay.fence} of ${recording.fences}, ${survivors.kind}`
      t.doesNotThrow(() => TestVolume.open(image).close(), where)
      t.same(readSuperblock(image).damage, [], where)
    }
  }
  t.end()
})

void test('a copy of a device that was made while the volume was mounted is stale after the unmount', (t) => {
  const medium = formatted(2048, 700, 500)
  const before = medium.clone()
  const volume = TestVolume.open(medium)
  const during = medium.clone()
  const refused = (old: RecordingMedium, which: string): void => {
    const parts = [0, 1, 2].map((n) => [n === 1 ? old : medium, n] as const)
    t.match(
      messageOf(() => readSuperblock(assemble(...parts))),
      /^device number 2 is stale/,
      which,
    )
  }
  refused(before, 'made before a mount that has not ended')
  medium.startRecording()
  volume.close()
  const replay = new Replay(medium.stopRecording())
  refused(before, 'made before')
  refused(during, 'made meanwhile')
  while (replay.advance()) {
    const image = replay.image({ kind: 'certain' })
    t.doesNotThrow(() => readSuperblock(image), `the power fails at fence ${replay.fence}`)
    image.bytes[1]!.set(during.bytes[1]!)
    t.not(stateOrRefusal(image), stateClean, `and the copy is put back, fence ${replay.fence}`)
  }
  t.end()
})

/** What the newest superblock says; null where a device is refused. */
function stateOrRefusal(medium: RecordingMedium): number | null {
  try {
    return readSuperblock(medium).superblock.get(at.state)
  } catch (error) {
    if (error instanceof VolumeError) return null
    throw error
  }
}

void test('a volume of one device is written once when its state changes', (t) => {
  const medium = formatted(512)
  const before = readSuperblock(medium).superblock.getNumber(at.sequence)
  TestVolume.open(medium).close()
  t.equal(readSuperblock(medium).superblock.getNumber(at.sequence), before + 2)
  t.end()
})

void test('copies of one sequence are the same, also where damage was met before the mount', (t) => {
  const medium = formatted(2048, 700, 500)
  const { superblock } = readSuperblock(medium)
  superblock.setNumber(at.sequence, superblock.getNumber(at.sequence) + 1)
  superblock.store(medium, windowBlocks * 2 + superblockBlock)
  medium.fence()
  medium.startRecording()
  const volume = Volume.open(medium, { readOnly: false, now: epoch, unmarked: true })
  volume.noteDamage('a place', epoch)
  volume.markMounted(epoch)
  const replay = new Replay(medium.stopRecording())
  volume.abandon()
  while (replay.advance()) {
    const image = replay.image({ kind: 'certain' })
    const contents = new Map<number, string>()
    for (const block of superblock.copyBlocks) {
      const copy = loadSuperblock(image, block)
      if (!copy.isWhole()) continue
      const text = Buffer.from(copy.bytes).toString('hex')
      const sequence = copy.getNumber(at.sequence)
      t.equal(contents.get(sequence) ?? text, text, `block ${block}, fence ${replay.fence}`)
      contents.set(sequence, text)
    }
  }
  t.end()
})

void test('the header of an only device is made anew when it is damaged', (t) => {
  const medium = formatted(512)
  const header = medium.bytes[0]!.slice(0, 4096)
  medium.store32(headerBlock, 4, 77)
  t.match(readSuperblock(medium).damage, [/^the header of the device is damaged/])
  TestVolume.open(medium).close()
  t.ok(Buffer.from(header).equals(medium.bytes[0]!.subarray(0, 4096)))
  t.same(readSuperblock(medium).damage, [])
  t.end()
})

/** Loses blocks 0 and 1 of the first device. */
function loseStart(medium: RecordingMedium): void {
  medium.bytes[0]!.fill(0, 0, (superblockBlock + 1) * 4096)
}

void test('without header and first copy, the second copy counts if the roots say whose it is', (t) => {
  const medium = formatted(512)
  const { uuid } = readSuperblock(medium).superblock
  loseStart(medium)
  t.equal(readSuperblock(medium).superblock.uuid, uuid)
  const other = RecordingMedium.ofDevices([512])
  formatSmall(other, [512], true, 9)
  medium.bytes[0]!.set(other.bytes[0]!.subarray(511 * 4096), 511 * 4096)
  t.match(
    messageOf(() => readSuperblock(medium)),
    /^the header and the first superblock are damaged, and nothing tells whether the second one/,
    'one that a file has does not',
  )
  // Nor does one that names no volume, where the roots name none.
  const nameless = loadSuperblock(other, 511)
  nameless.words.fill(0, at.identity, at.identity + 4)
  nameless.store(medium, 511)
  medium.bytes[0]!.fill(0, 2 * 4096, 3 * 4096)
  t.not(
    codeOf(() => readSuperblock(medium)),
    'none',
  )
  t.end()
})

void test('the bitmap of a further device does not pass for roots', (t) => {
  const volume = formatted(600, 600)
  const device = new RecordingMedium([volume.bytes[1]!])
  loseStart(device)
  // All blocks are in use, and the last one has what a user would have mount a file of his.
  device.bytes[0]!.fill(0xff, 2 * 4096, 3 * 4096)
  const crafted = loadSuperblock(formatted(600), superblockBlock)
  crafted.words.fill(0xffff_ffff, at.identity, at.identity + 4)
  crafted.store(device, 599)
  t.equal(
    codeOf(() => readSuperblock(device)),
    'damaged',
  )
  t.end()
})

void test('roots are told from bitmaps, whatever the size of the first device', (t) => {
  for (let blocks = 512; blocks < 512 + 32 * 4096; blocks += 1000) {
    const medium = RecordingMedium.ofDevices([blocks])
    formatSmall(medium, [blocks], true)
    loseStart(medium)
    if (codeOf(() => readSuperblock(medium)) !== 'none') t.fail(`${blocks} blocks`)
  }
  t.end()
})

void test('without superblocks on the first device, those of files in it do not count', (t) => {
  const blocks = windowBlocks + 600
  const medium = new RecordingMedium([2 ** 30, 600 * 4096, 700 * 4096].map((bytes) => new Uint8Array(bytes)))
  formatSmall(medium, [blocks, 700], true)
  const { uuid } = readSuperblock(medium).superblock
  const planted = loadSuperblock(medium, superblockBlock)
  planted.bytes.fill(77, at.identity * 4, at.identity * 4 + 16)
  planted.setNumber(at.sequence, planted.getNumber(at.sequence) + 100)
  planted.store(medium, windowBlocks + superblockBlock)
  for (const block of [superblockBlock, blocks - 1]) damage(medium, block)
  t.equal(readSuperblock(medium).superblock.uuid, uuid)
  damage(medium, 2 * windowBlocks + superblockBlock)
  t.equal(
    codeOf(() => readSuperblock(medium)),
    'damaged',
  )
  t.end()
})

void test('one header of several is made anew, wherever a power failure cuts that off', (t) => {
  const fresh = formatted(300, 280, 260)
  const random = new Random(seed)
  const cut = random.below(3)
  for (const lost of [0, 1, 2]) {
    const medium = fresh.clone()
    const header = medium.bytes[lost]!.slice(0, 4096)
    medium.bytes[lost]!.fill(0, 0, 4096)
    const line = `the header of device number ${lost + 1} is damaged; its superblock says that it belongs here`
    t.same(readSuperblock(medium).damage, [line])
    const before = medium.clone()
    Volume.open(medium, { readOnly: true, now: epoch }).close()
    medium.bytes.forEach((bytes, n) => t.ok(Buffer.from(bytes).equals(before.bytes[n]!), 'only to be read'))
    medium.startRecording()
    const volume = Volume.open(medium, { readOnly: false, now: epoch })
    t.same(volume.notices, [line, 'the damaged header is rewritten'])
    volume.close()
    const recording = medium.stopRecording()
    t.ok(Buffer.from(header).equals(medium.bytes[lost]!.subarray(0, 4096)), 'as it was')
    t.same(readSuperblock(medium).damage, [])
    if (lost !== cut) continue
    const replay = new Replay(recording)
    while (replay.advance()) {
      for (const survivors of variants(replay.lines, random)) {
        const image = replay.image(survivors)
        const where = `device ${lost}, fence ${replay.fence} of ${recording.fences}, ${survivors.kind}`
        const { superblock, damage } = readSuperblock(image)
        const isMarked = superblock.get(at.state) !== stateClean
        if (isMarked)
          t.notOk(
            damage.some((text) => text.includes('header')),
            `${where}: it comes first`,
          )
        t.doesNotThrow(() => TestVolume.open(image).close(), where)
        t.ok(Buffer.from(header).equals(image.bytes[lost]!.subarray(0, 4096)), where)
      }
    }
  }
  t.end()
})

void test('a device without a header needs a superblock of the volume, and only one may be so', (t) => {
  const ours = formatted(2048, 700, 700)
  const without = (medium: RecordingMedium, ...devices: readonly number[]): RecordingMedium => {
    const hurt = medium.clone()
    for (const device of devices) hurt.bytes[device]!.fill(0, 0, 4096)
    return hurt
  }
  const first = without(ours, 0)
  damage(first, superblockBlock)
  t.equal(readSuperblock(first).damage.length, 2, 'the first device has a second one')
  damage(first, 2047)
  const foreign = RecordingMedium.ofDevices([2048, 700, 700])
  formatSmall(foreign, [2048, 700, 700], true, 9)
  const stale = without(ours, 2)
  const later = ours.clone()
  for (let n = 0; n < 2; n++) TestVolume.open(later).close()
  const copied = ours.clone()
  for (let n = 0; n < 2; n++) Volume.open(copied, { readOnly: false, now: epoch + 3_600_000 }).close()
  const bare = without(ours, 1)
  damage(bare, windowBlocks + superblockBlock)
  checkRefusals(t, [
    [first, /^device number 1 has neither a header nor a superblock that would say/],
    [bare, /^device number 2 has neither a header nor a superblock that would say/],
    [
      without(ours, 1, 2),
      /^the headers of device number 2 and device number 3 are damaged: a volume can do without one at most$/,
    ],
    [
      assemble([ours, 0], [ours, 1], [without(foreign, 2), 2]),
      /^device number 3 has neither a header nor a superblock that would say/,
    ],
    [assemble([later, 0], [later, 1], [stale, 2]), /^device number 3 is stale/],
    [
      assemble([later, 0], [later, 1], [copied, 2]),
      /^device number 3 and the others have changed without each other: they are of different copies/,
    ],
    [
      assemble([without(ours, 0), 0], [foreign, 1], [ours, 2]),
      /^device number 2 belongs to another file system$/,
    ],
    [assemble([ours, 0], [ours, 2], [without(ours, 1), 1]), /^device number 2 is number 3 of the volume/],
  ])
  t.end()
})

void test('copies that a server writes while they are read are no reason to refuse', (t) => {
  for (let loads = 1; loads < 12; loads++) {
    const medium = formatted(512, 300)
    const current = new Superblock(readSuperblock(medium).superblock.words.slice())
    const copyOut = medium.copyOut.bind(medium)
    let left = loads
    medium.copyOut = (block, ...rest) => {
      if (block % windowBlocks === superblockBlock && --left === 0)
        for (let write = 0; write < 2; write++) writeSuperblock(medium, current)
      copyOut(block, ...rest)
    }
    t.doesNotThrow(() => readSuperblock(medium), `before load ${loads}`)
    t.ok(left <= 0 || loads > 3, 'so often it is loaded')
  }
  t.end()
})

void test('a volume of version 1 is refused, by whichever superblock it has left', (t) => {
  const old = new Superblock()
  old.set(at.magicLow, 0x53464d50)
  old.set(at.magicHigh, 0x0a0d0032)
  old.set(at.version, 1)
  old.set(at.checksum, old.checksum())
  for (const places of [[0, 511], [0], [511]]) {
    const medium = RecordingMedium.ofDevices([512])
    for (const block of places) old.words.forEach((word, n) => medium.store32(block, n, word))
    t.equal(
      messageOf(() => readSuperblock(medium)),
      'its format is version 1; this program serves version 2; an older program made it: ' +
        'copy its files with that program, and then make it anew',
    )
  }
  t.end()
})

void test('of two good copies the newer one holds', (t) => {
  const medium = formatted(512)
  const old = new Superblock(medium.wordsOf(511).slice(511 * 1024, 512 * 1024))
  setField(medium, at.mountCount, 77)
  old.words.forEach((word, n) => medium.store32(superblockBlock, n, word))
  t.equal(readSuperblock(medium).superblock.get(at.mountCount), 77)
  t.same(readSuperblock(medium).damage, [])
  t.end()
})

void test('what cannot be served is refused, each for its reason', (t) => {
  t.equal(
    codeOf(() => readSuperblock(RecordingMedium.ofDevices([256]))),
    'foreign',
  )
  const both = formatted(512)
  damage(both, superblockBlock)
  damage(both, 511)
  t.equal(
    codeOf(() => readSuperblock(both)),
    'damaged',
  )
  for (const [field, value, code] of [
    [at.version, 3, 'version'],
    [at.incompat, 1 << 30, 'feature'],
    [at.blockCount, 100_000, 'damaged'],
    [at.laneCount, 0, 'damaged'],
    [at.laneStart, 1, 'damaged'],
    [at.segments + segmentEntry.word.bitmapStart, 1, 'damaged'],
    [at.segments + segmentEntry.word.dataStart, 513, 'damaged'],
    [at.segments + segmentEntry.word.device, 1, 'damaged'],
    [at.segments + segmentEntry.word.deviceBlock, 1, 'damaged'],
    [at.segmentCount, 2, 'damaged'],
    [at.blockBytes, 512, 'damaged'],
    [at.deviceCount, 17, 'damaged'],
  ] as const) {
    const medium = formatted(512)
    setField(medium, field, value)
    const before = medium.bytes[0]!.slice()
    t.equal(
      codeOf(() => TestVolume.open(medium)),
      code,
      `word ${field} as ${value}`,
    )
    t.ok(Buffer.from(before).equals(medium.bytes[0]!), 'and nothing is changed')
  }
  t.end()
})

void test('unknown compatible features are ignored, read-only ones allow reading', (t) => {
  const medium = formatted(512)
  setField(medium, at.compat, 1)
  t.equal(
    codeOf(() => readSuperblock(medium)),
    'none',
  )
  setField(medium, at.readOnlyCompat, 1)
  t.ok(readSuperblock(medium).readOnly)
  t.equal(
    codeOf(() => TestVolume.open(medium)),
    'feature',
  )
  t.end()
})

void test('a volume needs room for what is fixed', (t) => {
  t.equal(
    codeOf(() => formatSmall(RecordingMedium.ofDevices([255]), [255])),
    'size',
  )
  t.equal(
    codeOf(() => formatSmall(RecordingMedium.ofDevices([512, 3]), [512, 3])),
    'size',
    'a device with room for its header, superblock and bitmap, and nothing else',
  )
  t.end()
})
