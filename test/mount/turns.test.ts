// SPDX-License-Identifier: GPL-2.0-only
/** A mount of one worker serves others while a call that takes long is in hand, and answers that in the end. */
import { constants } from 'node:fs'
import { mkdir, open, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { turnRingOn } from '../support/ring-switch.js'
import { run } from '../support/run-command.js'
import { System, outcome } from '../support/system.js'
import { temporaryDirectory } from '../support/temporary.js'
import { TestMount, hasEnded, preload, until } from '../support/test-mount.js'

tap.setTimeout(300_000)

const { O_CREAT, O_WRONLY } = constants
const gib = 2 ** 30
const mebibyte = 2 ** 20
const blockBytes = 4096
/** The block maps of a large file take that at the most. */
const roomForNodes = 48 * mebibyte
/** So many GiB are several transactions. */
const size = 6
const files = 20

class HeldMount {
  readonly mount: TestMount
  readonly path: string
  readonly #folder: string
  readonly #channel: string

  private constructor(mount: TestMount, folder: string, channel: string) {
    this.mount = mount
    this.path = join(mount.mountpoint, 'large')
    this.#folder = folder
    this.#channel = channel
  }

  static async make(t: Test, channel: string): Promise<HeldMount> {
    const folder = join(await temporaryDirectory(t), 'held')
    preload(t, 'held-turns', `PMFS2_TEST_HELD=${folder}`)
    const held = new HeldMount(await TestMount.make(t, '16G'), folder, channel)
    await held.start()
    return held
  }

  async start(): Promise<void> {
    await this.mount.mount('--channel', this.#channel, '--workers', '1')
  }

  allocate(): Promise<string> {
    return run('fallocate', ['-l', `${size}G`, this.path])
  }

  /** Begins a call. Resolves when it has been put off; no part of it is done from then on until {@link letGo}. */
  async hold(
    call: () => Promise<unknown>,
  ): Promise<{ readonly isOver: boolean; readonly end: Promise<unknown> }> {
    await mkdir(this.#folder, { recursive: true })
    const putOff = async () => (await readdir(this.#folder)).length
    const before = await putOff()
    const held = { isOver: false, end: call().finally(() => (held.isOver = true)) }
    held.end.catch(() => undefined)
    if (!(await until(async () => (await putOff()) > before))) throw new Error('the call is not put off')
    return held
  }

  async letGo(): Promise<void> {
    await writeFile(join(this.#folder, 'go'), '')
  }

  /** Parts are done again from now on. */
  async release(): Promise<void> {
    await rm(this.#folder, { recursive: true })
  }
}

async function takesTurns(t: Test, channel: string): Promise<void> {
  const held = await HeldMount.make(t, channel)
  const { mount, path } = held
  const truncate = async () => (await open(path, 'w')).close()
  const calls: readonly (readonly [what: string, call: () => Promise<unknown>, left: number])[] = [
    ['allocation', () => held.allocate(), size],
    ['hole', () => run('fallocate', ['-p', '-o', '4096', '-l', `${size}G`, path]), 0],
    ['allocation of what was a hole', () => held.allocate(), size],
    ['cut', () => run('truncate', ['-s', '5', path]), 0],
    ['allocation of what was cut', () => held.allocate(), size],
    ['truncation at open', truncate, 0],
  ]
  for (const [what, call, left] of calls) {
    const hold = await held.hold(call)
    for (let n = 0; n < files; n++) await writeFile(join(mount.mountpoint, `${n}`), what)
    t.notOk(hold.isOver, `${files} files were written during: ${what}`)
    await held.letGo()
    await hold.end
    t.equal(Math.floor((await stat(path)).blocks / (gib / 512)), left)
    await held.release()
  }
  for (let n = 0; n < files; n++)
    t.equal(await readFile(join(mount.mountpoint, `${n}`), 'utf8'), 'truncation at open')

  await held.allocate()
  const removal = await held.hold(() => run('rm', [path]))
  await removal.end
  await writeFile(path, 'another one')
  await held.letGo()
  await held.release()
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
}

async function goesOn(t: Test, channel: string): Promise<void> {
  const held = await HeldMount.make(t, channel)
  const { mount, path } = held
  const remount = (option: string) => run('mount', ['-i', '-o', `remount,${option}`, mount.mountpoint])
  const ends: Readonly<Record<string, (cut: Promise<unknown>) => Promise<unknown>>> = {
    pause: async (cut) => {
      await remount('noatime')
      await cut
      await remount('relatime')
    },
    stop: async () => {
      const { pid } = await mount.report()
      process.kill(pid, 'SIGTERM')
      t.ok(await hasEnded(pid))
      await mount.cutOff()
    },
    kill: () => mount.kill(),
  }
  for (const [what, end] of Object.entries(ends)) {
    await held.allocate()
    const cut = await held.hold(() => run('truncate', ['-s', '0', path]))
    await end(cut.end)
    await held.release()
    await cut.end.catch(() => undefined)
    if (!mount.isMounted()) await held.start()
    const { size: bytes, blocks } = await stat(path)
    t.same([bytes, blocks], [0, 0], what)
  }
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
}

/** Three requests of a worker are put off at a time. */
async function fourth(t: Test, channel: string): Promise<void> {
  const held = await HeldMount.make(t, channel)
  const { mount } = held
  const path = (n: number) => join(mount.mountpoint, `long${n}`)
  const call = (n: number) => run('fallocate', ['-l', `${size / 2}G`, path(n)])
  const holds = []
  for (let n = 0; n < 3; n++) holds.push(await held.hold(() => call(n)))
  await call(3)
  t.same(
    holds.map(({ isOver }) => isOver),
    [false, false, false],
    'the fourth one ends before them',
  )
  await writeFile(join(mount.mountpoint, 'small'), 'contents')
  await held.letGo()
  await Promise.all(holds.map(({ end }) => end))
  for (let n = 0; n < 4; n++) t.equal(Math.floor((await stat(path(n))).blocks / (gib / 512)), size / 2)
  await held.release()
  await mount.unmount()
  t.match(await mount.check(), /: clean,/)
}

/** A write waits for the space of a file that is being freed, and the server is told to stop. */
async function stopsWaiting(t: Test, channel: string): Promise<void> {
  const held = await HeldMount.make(t, channel)
  const { mount, path } = held
  const freeBytes = async () => (await mount.report()).usage!.freeBytes
  const system = await System.start()
  t.teardown(() => system.stop())
  await held.allocate()
  const fd = await system.open(join(mount.mountpoint, 'other'), O_CREAT | O_WRONLY)
  const removal = await held.hold(() => run('rm', [path]))
  await removal.end
  // None of these calls takes several transactions, which would be held as well.
  for (let left = (await freeBytes()) - roomForNodes, n = 0; left > 0; left -= gib, n++)
    await run('fallocate', ['-l', `${Math.min(left, gib)}`, join(mount.mountpoint, `rest${n}`)])

  const fill = async () => {
    for (let at = 0; ;) {
      // Of a block there is space for all or for nothing.
      const part = (await freeBytes()) > 2 * mebibyte ? mebibyte : blockBytes
      const end = await outcome(system.pwrite(fd, Buffer.alloc(part), at))
      if (end !== 'OK') return end
      at += part
    }
  }
  const filling = fill()
  t.ok(await until(async () => (await freeBytes()) < blockBytes))
  const { pid } = await mount.report()
  process.kill(pid, 'SIGTERM')
  t.equal(await filling, 'ECONNABORTED', 'it fails as what no server answers, not for want of space')
  t.ok(await hasEnded(pid))
  await held.release()
  t.notOk(mount.isMounted())
  t.match(await mount.check(), /: clean,/)
}

for (const channel of [turnRingOn(tap), 'devfuse']) {
  void tap.test(`long calls take turns with others over ${channel}`, (t) => takesTurns(t, channel))
  void tap.test(`a fourth long call is done without a break, over ${channel}`, (t) => fourth(t, channel))
  void tap.test(`a write waits for space when the server is told to stop, over ${channel}`, (t) =>
    stopsWaiting(t, channel),
  )
  void tap.test(`a cut ends with a pause, or at the next mount, over ${channel}`, (t) => goesOn(t, channel))
}
