// SPDX-License-Identifier: GPL-2.0-only
/** Ours, used as a person would: mkfs and mount by command line with default options, on a file in /dev/shm. */
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ringSwitch } from '../../src/daemon/channel-choice.js'
import { LibraryError, loadFuseLibrary } from '../../src/fuse-native/library.js'
import { run } from '../command.js'
import { type Contender, type Demand, type Filling, Instance, command } from './contender.js'
import { mediumBytes } from './medium-size.js'

const fillTimeoutMs = 300_000

class Pmfs2Instance extends Instance {
  readonly #program: readonly string[]
  readonly #channelOptions: readonly string[]
  /** By --cpus. */
  readonly #pinsItself: boolean

  constructor(
    demand: Demand,
    program: readonly string[],
    channelOptions: readonly string[],
    pinsItself: boolean,
  ) {
    super(demand)
    this.#program = program
    this.#channelOptions = channelOptions
    this.#pinsItself = pinsItself
  }

  override async format(): Promise<void> {
    await super.format()
    const size = String(mediumBytes(this.demand))
    await command([...this.#program, 'mkfs', this.path('device'), '--size', size, '--sparse'])
  }

  override async fill({ files, filesPerDirectory, signal }: Filling): Promise<void> {
    const program = join(import.meta.dirname, 'fill-volume.js')
    const args = [program, this.path('device'), String(files), String(filesPerDirectory)]
    await run(process.execPath, args, { timeoutMs: fillTimeoutMs, signal })
  }

  override async mount(): Promise<void> {
    const { cpu } = this.demand
    const line = [...this.#program, this.path('device'), this.directory, ...this.#channelOptions]
    if (cpu === undefined || !this.#pinsItself) await command(line, cpu)
    else await command([...line, '--cpus', String(cpu)])
  }
}

function makePmfs2(
  packageRoot: string,
  facts: Pick<Contender, 'name' | 'title' | 'pins' | 'needsRing' | 'obstacle'>,
  channelOptions: readonly string[],
  pinsItself = true,
): Contender {
  const shim = join(packageRoot, 'bin/pmfs2-fuse.js')
  return {
    ...facts,
    kind: 'ours',
    how: `pmfs2-fuse DEVICE MOUNTPOINT ${channelOptions.join(' ')}`,
    holdsFiles: true,
    fillsQuickly: true,
    version: () => ownVersion(packageRoot),
    make: (demand) => new Pmfs2Instance(demand, [process.execPath, shim], channelOptions, pinsItself),
  }
}

const overRing = ['--channel', 'uring', '--enable-uring'] as const
/** Its workers are pinned anyway, one to each processor. */
const onRing = { pins: false, needsRing: true, obstacle: ringObstacle }

export function makePmfs2Uring(packageRoot: string): Contender {
  return makePmfs2(packageRoot, { name: 'pmfs2-uring', title: 'PMFS2 over io_uring', ...onRing }, overRing)
}

export function makePmfs2UringCow(packageRoot: string): Contender {
  const facts = { name: 'pmfs2-uring-cow', title: 'PMFS2 over io_uring, data=cow', ...onRing }
  return makePmfs2(packageRoot, facts, [...overRing, '-o', 'data=cow'])
}

export function makePmfs2Devfuse(packageRoot: string): Contender {
  const obstacle = (): Promise<undefined> => Promise.resolve(undefined)
  const facts = {
    name: 'pmfs2-devfuse',
    title: 'PMFS2 over /dev/fuse',
    pins: true,
    needsRing: false,
    obstacle,
  }
  return makePmfs2(packageRoot, facts, ['--channel', 'devfuse'])
}

/** By the npm package, with libfuse's threads: one process, which taskset(1) pins. */
export function makePmfs2FuseNative(packageRoot: string): Contender {
  const facts = {
    name: 'pmfs2-fuse-native',
    title: 'PMFS2 by fuse-native',
    pins: true,
    needsRing: false,
    obstacle: libraryObstacle,
  }
  return makePmfs2(packageRoot, facts, ['--channel', 'fuse-native'], false)
}

function libraryObstacle(): Promise<string | undefined> {
  try {
    loadFuseLibrary()
    return Promise.resolve(undefined)
  } catch (error) {
    if (error instanceof LibraryError) return Promise.resolve(error.message)
    throw error
  }
}

export async function ringObstacle(): Promise<string | undefined> {
  return access(ringSwitch).then(
    () => undefined,
    () => 'FUSE over io_uring needs Linux 6.14 or newer',
  )
}

async function ownVersion(packageRoot: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8')) as {
    version: string
  }
  try {
    const where = ['-C', packageRoot]
    const { stdout } = await run('git', [...where, 'rev-parse', '--short', 'HEAD'], { timeoutMs: 10_000 })
    return `${version}, commit ${stdout.trim()}`
  } catch {
    return version
  }
}
