// SPDX-License-Identifier: GPL-2.0-only
/** Random sequences of calls, held against a model: every result, and after them all that can be seen. */
import fc from 'fast-check'
import { test } from 'tap'
import { SET_MODE } from '../../src/fs/attributes.js'
import { ENOSPC } from '../../src/fs/errno.js'
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE } from '../../src/fs/fallocate.js'
import { type DataMode, dataModes } from '../../src/fs/overwriting.js'
import { RENAME_EXCHANGE, RENAME_NOREPLACE } from '../../src/fs/rename.js'
import { problemsOf } from '../support/invariants.js'
import { Oracle, OracleNode } from '../support/oracle.js'
import { seed } from '../support/random.js'
import { TestVolume, epoch } from '../support/test-volume.js'

/** Indices are taken modulo what there is to choose from. */
type Command =
  | {
      readonly call: 'create' | 'mkdir' | 'unlink' | 'rmdir'
      readonly directory: number
      readonly name: string
    }
  | { readonly call: 'symlink'; readonly directory: number; readonly name: string; readonly length: number }
  | { readonly call: 'link'; readonly file: number; readonly directory: number; readonly name: string }
  | {
      readonly call: 'rename'
      readonly directory: number
      readonly name: string
      readonly to: number
      readonly newName: string
      readonly flags: number
    }
  | {
      readonly call: 'write'
      readonly file: number
      readonly offset: number
      readonly length: number
      readonly fill: number
    }
  | { readonly call: 'read'; readonly file: number; readonly offset: number; readonly length: number }
  | { readonly call: 'truncate'; readonly file: number; readonly size: number }
  | {
      readonly call: 'fallocate'
      readonly file: number
      readonly mode: number
      readonly offset: number
      readonly length: number
    }
  | { readonly call: 'chmod'; readonly file: number; readonly mode: number }
  | { readonly call: 'reopen' }

const index = fc.nat({ max: 1000 })
const name = fc.oneof(
  { weight: 8, arbitrary: fc.nat({ max: 12 }).map((n) => `name-${n}`) },
  { weight: 1, arbitrary: fc.nat({ max: 40 }).map((n) => `${n}`.padEnd(255, 'long')) },
  { weight: 1, arbitrary: fc.nat({ max: 3 }).map((n) => `\xff\n${n}`) },
)

const allocationModes = [
  0,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_ZERO_RANGE,
  FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
]

function commandOf(largest: number): fc.Arbitrary<Command> {
  const position = fc.oneof(
    fc.nat({ max: largest }),
    fc.nat({ max: largest >>> 12 }).map((block) => block * 4096),
  )
  const length = fc.oneof(
    fc.nat({ max: 100 }),
    fc.nat({ max: 20_000 }),
    fc.constantFrom(4096, 8192, 4095, 4097),
  )
  const flags = fc.constantFrom(0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE)
  return fc.oneof(
    { weight: 6, arbitrary: fc.record({ call: fc.constant('create' as const), directory: index, name }) },
    { weight: 3, arbitrary: fc.record({ call: fc.constant('mkdir' as const), directory: index, name }) },
    { weight: 3, arbitrary: fc.record({ call: fc.constant('unlink' as const), directory: index, name }) },
    { weight: 2, arbitrary: fc.record({ call: fc.constant('rmdir' as const), directory: index, name }) },
    {
      weight: 1,
      arbitrary: fc.record({
        call: fc.constant('symlink' as const),
        directory: index,
        name,
        length: fc.constantFrom(1, 31, 32, 33, 300, 4095),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ call: fc.constant('link' as const), file: index, directory: index, name }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        call: fc.constant('rename' as const),
        directory: index,
        name,
        to: index,
        newName: name,
        flags,
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        call: fc.constant('write' as const),
        file: index,
        offset: position,
        length,
        fill: fc.integer({ min: 1, max: 255 }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ call: fc.constant('read' as const), file: index, offset: position, length }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ call: fc.constant('truncate' as const), file: index, size: position }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        call: fc.constant('fallocate' as const),
        file: index,
        mode: fc.constantFrom(...allocationModes),
        offset: position,
        length: fc.oneof(
          fc.integer({ min: 1, max: 100 }),
          fc.integer({ min: 1, max: 50_000 }),
          fc.integer({ min: 1, max: 8 }).map((blocks) => blocks * 4096),
        ),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        call: fc.constant('chmod' as const),
        file: index,
        mode: fc.nat({ max: 0o7777 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ call: fc.constant('reopen' as const) }) },
  )
}

class Session {
  readonly #volume: TestVolume
  readonly #oracle = new Oracle(epoch)
  /** Whether the volume may be full. */
  readonly #mayFill: boolean

  constructor(volume: TestVolume, mayFill: boolean) {
    this.#volume = volume
    this.#mayFill = mayFill
  }

  run(commands: readonly Command[]): void {
    for (const command of commands) {
      this.#oracle.now += 1000
      this.#volume.caller.setClock(this.#oracle.now)
      this.#step(command)
    }
    this.#compareAll()
  }

  #step(command: Command): void {
    const { caller } = this.#volume
    const directories = this.#oracle.all('directory')
    const files = this.#oracle.all('file')
    const directory =
      'directory' in command ? directories[command.directory % directories.length]! : this.#oracle.root
    const file = 'file' in command ? files[command.file % files.length] : undefined
    switch (command.call) {
      case 'create': {
        this.#made(directory, command.name, 'file', caller.file(directory.inode, command.name))
        return
      }
      case 'mkdir': {
        this.#made(directory, command.name, 'directory', caller.mkdir(directory.inode, command.name))
        return
      }
      case 'symlink': {
        const target = 't'.repeat(command.length)
        this.#made(
          directory,
          command.name,
          'link',
          caller.symlink(directory.inode, command.name, target),
          target,
        )
        return
      }
      case 'unlink': {
        this.#same(command, caller.unlink(directory.inode, command.name), () =>
          this.#oracle.remove(directory, command.name, false),
        )
        return
      }
      case 'rmdir': {
        this.#same(command, caller.rmdir(directory.inode, command.name), () =>
          this.#oracle.remove(directory, command.name, true),
        )
        return
      }
      case 'link': {
        if (file === undefined) return
        const result = caller.link(file.inode, directory.inode, command.name)
        this.#same(command, result, () => this.#oracle.link(file, directory, command.name))
        if (result === 0) caller.forget(file.inode)
        return
      }
      case 'rename': {
        const to = directories[command.to % directories.length]!
        const { name, newName, flags } = command
        const result = caller.rename(directory.inode, name, to.inode, newName, flags)
        this.#same(command, result, () => this.#oracle.rename(directory, name, to, newName, flags))
        return
      }
      case 'write':
        if (file !== undefined) this.#write(file, command.offset, Buffer.alloc(command.length, command.fill))
        return
      case 'read':
        if (file !== undefined) this.#read(file, command.offset, command.length)
        return
      case 'truncate':
        if (file === undefined) return
        {
          this.#same(command, caller.truncate(file.inode, command.size), () => {
            this.#oracle.truncate(file, command.size)
            return 0
          })
          return
        }
      case 'fallocate':
        if (file === undefined) return
        {
          const { mode, offset, length } = command
          this.#same(command, caller.fallocate(file.inode, mode, offset, length), () => {
            this.#oracle.fallocate(file, mode, offset, length)
            return 0
          })
          return
        }
      case 'chmod':
        if (file === undefined) return
        {
          this.#same(command, caller.setattr(file.inode, { mask: SET_MODE, mode: command.mode }), () => {
            this.#oracle.chmod(file, command.mode)
            return 0
          })
          return
        }
      case 'reopen':
        this.#volume.reopen(this.#oracle.now)
    }
  }

  /** A full volume may refuse what the model does; it then has changed nothing. */
  #refused(result: number, needed = 16): boolean {
    return this.#mayFill && result === -ENOSPC && this.#volume.freeBlocks < needed
  }

  #same(command: Command, result: number, expected: () => number): void {
    const blocks = command.call === 'fallocate' ? Math.ceil(command.length / 4096) : 0
    if (this.#refused(result, 16 + blocks)) return
    const wanted = expected()
    if (result !== wanted) throw new Error(`${JSON.stringify(command)}: ${result}, not ${wanted}`)
  }

  #made(
    parent: OracleNode,
    name: string,
    kind: 'file' | 'directory' | 'link',
    result: number,
    target = '',
  ): void {
    if (this.#refused(result)) return
    const made = this.#oracle.create(parent, name, kind)
    if (typeof made === 'number') {
      if (result !== made) throw new Error(`${kind} ${name}: ${result}, not ${made}`)
      return
    }
    if (result <= 0) throw new Error(`${kind} ${name}: ${result}, not a new inode`)
    made.inode = result
    made.target = target
    made.mode = this.#volume.caller.attributes(result).mode & 0o7777
    this.#volume.caller.forget(result)
  }

  #write(file: OracleNode, offset: number, bytes: Buffer): void {
    const written = this.#volume.caller.write(file.inode, offset, bytes)
    // What a full volume did not take in has not changed a byte either.
    if (this.#mayFill && written === -ENOSPC) return
    const isShort = this.#mayFill && written > 0 && written < bytes.length
    if (written !== bytes.length && !isShort)
      throw new Error(`write of ${bytes.length} at ${offset}: ${written}`)
    this.#oracle.write(file, offset, bytes.subarray(0, written))
  }

  #read(file: OracleNode, offset: number, length: number): void {
    const got = this.#volume.caller.read(file.inode, offset, length)
    const wanted = file.data.subarray(offset, offset + length)
    if (typeof got === 'number') throw new Error(`read: ${got}`)
    if (!got.equals(wanted)) throw new Error(`read of ${length} at ${offset} of inode ${file.inode} differs`)
  }

  #compareAll(): void {
    this.#compare(this.#oracle.root, '/')
    const problems = problemsOf(this.#volume.medium)
    if (problems.length > 0) throw new Error(problems.slice(0, 5).join('\n'))
  }

  #compare(node: OracleNode, path: string): void {
    const { caller } = this.#volume
    const attributes = caller.attributes(node.inode)
    const facts = {
      links: attributes.links,
      mtime: attributes.mtime,
      ctime: attributes.ctime,
      parent: node.kind === 'directory' ? attributes.parent : 0,
      mode: node === this.#oracle.root ? 0 : attributes.mode & 0o7777,
      size: node.kind === 'directory' ? 0 : attributes.size,
    }
    const wanted = {
      links: node.links,
      mtime: timeOf(node.mtime),
      ctime: timeOf(node.ctime),
      parent: node.kind === 'directory' ? node.parent.inode : 0,
      mode: node.mode,
      size: node.kind === 'file' ? node.data.length : node.target.length,
    }
    if (JSON.stringify(facts) !== JSON.stringify(wanted)) {
      throw new Error(`${path} is ${JSON.stringify(facts)}, not ${JSON.stringify(wanted)}`)
    }
    if (node.kind === 'file') this.#read(node, 0, node.data.length + 10)
    else if (node.kind === 'link') {
      if (caller.readlink(node.inode) !== node.target) throw new Error(`${path} has another target`)
    } else this.#compareEntries(node, path)
  }

  #compareEntries(node: OracleNode, path: string): void {
    const got = this.#volume.caller.entries(node.inode).map((entry) => `${entry.name} ${entry.inode}`)
    const wanted = [...node.entries].map(([entry, child]) => `${entry} ${child.inode}`)
    if (got.sort().join() !== wanted.sort().join())
      throw new Error(`${path} lists ${got.join()}, not ${wanted.join()}`)
    for (const [entry, child] of node.entries) this.#compare(child, `${path}${entry}/`)
  }
}

function timeOf(milliseconds: number): string {
  return `${milliseconds / 1000}.000000000`
}

function check(blocks: number, largest: number, mayFill: boolean, runs: number, data: DataMode): void {
  const commands = fc.array(commandOf(largest), { minLength: 20, maxLength: 400, size: 'max' })
  fc.assert(
    fc.property(commands, (list) => {
      const volume = TestVolume.makeFor(data, blocks)
      try {
        new Session(volume, mayFill).run(list)
      } finally {
        volume.drop()
      }
    }),
    { seed, numRuns: runs, endOnFailure: false },
  )
}

for (const data of dataModes) {
  void test(`a volume with room does what the model does, data=${data}`, (t) => {
    t.doesNotThrow(() => check(4096, 100_000, false, 60, data), `PMFS2_SEED=${seed}`)
    t.end()
  })

  void test(`a volume that fills up refuses, and loses nothing, data=${data}`, (t) => {
    t.doesNotThrow(() => check(256, 300_000, true, 60, data), `PMFS2_SEED=${seed}`)
    t.end()
  })
}

void test('what was taken comes back: after everything is removed, the space is free again', (t) => {
  const volume = TestVolume.of(t, 1024)
  const { caller } = volume
  const before = caller.usage()
  const directory = caller.mkdir(1, 'all')
  caller.forget(directory)
  let made = 0
  for (;;) {
    const file = caller.file(directory, `file ${made}`)
    if (file < 0) {
      t.equal(file, -ENOSPC)
      break
    }
    made++
    const written = caller.write(file, 0, Buffer.alloc(30_000, made))
    caller.forget(file)
    if (written < 30_000) break
  }
  t.ok(made > 50)
  t.same(problemsOf(volume.medium), [])
  for (let n = 0; n < made; n++) t.equal(caller.unlink(directory, `file ${n}`), 0)
  t.equal(caller.rmdir(1, 'all'), 0)
  const after = caller.usage()
  t.equal(after.usedInodes, before.usedInodes)
  // The root directory keeps its leaf, and the inode table one block in reserve.
  t.equal(after.freeBlocks, before.freeBlocks - 2)
  t.same(problemsOf(volume.medium), [])
  t.end()
})
