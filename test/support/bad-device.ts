// SPDX-License-Identifier: GPL-2.0-only
/**
 * A device some blocks of which go bad when a test says so: a file on a mount whose server, a process of its own, then
 * answers EIO to every read of them. To who has mapped it, this is what a bad block of a device behind the page cache
 * is: a load, or a store, raises SIGBUS, and read(2) gives EIO. What was stored before is kept.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, constants, ftruncateSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { blockBytes } from '../../layout/geometry.js'
import { native } from '../../src/native/index.js'
import { type TearsDown, temporaryDirectory } from './temporary.js'

const MNT_DETACH = 2
/** A mark of bad-device-server.ts. */
const forEver = 255

export class BadDevice {
  /** A regular file of zeros, for its owner alone. */
  readonly path: string
  readonly #control: number

  private constructor(path: string, control: number) {
    this.path = path
    this.#control = control
  }

  /** Until the end of the test, which has let go of it by then. */
  static async make(t: TearsDown, sizeBytes: number): Promise<BadDevice> {
    const folder = await temporaryDirectory(t)
    const [mountpoint, control] = [join(folder, 'mounted'), join(folder, 'bad')]
    mkdirSync(mountpoint)
    const controlFd = openSync(control, 'w+', 0o600)
    ftruncateSync(controlFd, Math.ceil(sizeBytes / blockBytes))
    const server = await startServer(mountpoint, control)
    t.teardown(async () => {
      native.umount(mountpoint, MNT_DETACH)
      await ended(server)
      closeSync(controlFd)
    })
    const path = join(mountpoint, 'device')
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
    ftruncateSync(fd, sizeBytes)
    closeSync(fd)
    return new BadDevice(path, controlFd)
  }

  /** From now on, these blocks cannot be read, whoever has them mapped. */
  spoil(...blocks: number[]): void {
    for (const block of blocks) {
      const contents = this.#read(block)
      this.#mark(block, forEver)
      this.#dropPage(block, contents)
    }
  }

  /** So many reads of the block fail, and those behind them do not. */
  spoilFor(block: number, reads: number): void {
    const contents = this.#read(block)
    this.#mark(block, reads)
    this.#dropPage(block, contents)
  }

  /** They can be read again, and have what they had. */
  mend(...blocks: number[]): void {
    for (const block of blocks) this.#mark(block, 0)
  }

  #mark(block: number, reads: number): void {
    writeSync(this.#control, Uint8Array.of(reads), 0, 1, block)
  }

  #read(block: number): Buffer {
    const contents = Buffer.alloc(blockBytes)
    const fd = openSync(this.path, constants.O_RDONLY)
    readSync(fd, contents, 0, blockBytes, block * blockBytes)
    closeSync(fd)
    return contents
  }

  /** A direct write takes the page out of the kernel's cache, and out of every mapping. */
  #dropPage(block: number, contents: Buffer): void {
    const fd = openSync(this.path, constants.O_WRONLY | constants.O_DIRECT)
    writeSync(fd, contents, 0, blockBytes, block * blockBytes)
    closeSync(fd)
  }
}

/** Resolves when the mount can be used. */
async function startServer(mountpoint: string, control: string): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('bad-device-server.js', import.meta.url))
  const server = spawn(process.execPath, [script, mountpoint], {
    env: { ...process.env, PMFS2_BAD_BLOCKS: control },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise<void>((resolve, reject) => {
    server.stdout.once('data', () => resolve())
    server.once('exit', (code) => reject(new Error(`the server of a bad device ended with ${code}`)))
  })
  return server
}

function ended(server: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (server.exitCode !== null || server.signalCode !== null) resolve()
    else server.once('exit', () => resolve())
  })
}
