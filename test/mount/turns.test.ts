// SPDX-License-Identifier: GPL-2.0-only
/** A single worker that frees a large file serves other programs meanwhile, over either channel. */
import { constants } from 'node:fs'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from '../../src/fs/fallocate.js'
import { actor } from '../posix/fixture.js'
import { ForegroundServer } from '../support/foreground-server.js'
import { turnRingOn } from '../support/ring-switch.js'
import type { System } from '../support/system.js'
import { TestMount, until } from '../support/test-mount.js'

tap.setTimeout(240_000)

const { O_CREAT, O_RDWR } = constants
const punchHole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
/** Freed in 16 transactions. */
const fileBytes = 8 * 2 ** 30
/** The other program has to be given a processor meanwhile. */
const mostTries = 20

/**
 * Of the lines of a trace, those of requests that came after a request of this kind was made and were answered before it.
 * The kernel numbers the requests of a mount as they are made.
 */
function servedWithin(trace: string, opcode: string): string[] {
  const lines = trace.split('\n').filter((line) => / pid \d+ uid /.test(line))
  const numbers = lines.map((line) => Number(/(\d+) [A-Z]/.exec(line)?.[1]))
  const at = lines.findIndex((line) => line.includes(` ${opcode}(`))
  return lines.slice(0, at).filter((_, n) => numbers[n]! > numbers[at]!)
}

/** Has the other program make directories until the call has come back. */
async function makeDuring(call: Promise<unknown>, other: System, folder: string): Promise<void> {
  let isOver = false
  const end = call.finally(() => (isOver = true))
  await other.mkdir(folder)
  for (let n = 0; !isOver; n++) await other.mkdir(`${folder}/${n}`)
  await end
}

async function serves(t: Test, channel: string): Promise<void> {
  const mount = await TestMount.make(t, '10G')
  const server = await ForegroundServer.start(mount, '-f', '-d', '--channel', channel, '--workers', '1')
  const [system, other] = [await actor(t), await actor(t)]
  const path = join(mount.mountpoint, 'file')
  const calls: readonly (readonly [string, string, (fd: number) => Promise<unknown>])[] = [
    ['a cut', 'SETATTR', (fd) => system.ftruncate(fd, 0)],
    ['a punch', 'FALLOCATE', (fd) => system.fallocate(fd, punchHole, 0, fileBytes)],
  ]
  for (const [name, opcode, call] of calls) {
    let served = 0
    for (let n = 0; n < mostTries && served === 0; n++) {
      const fd = await system.open(path, O_RDWR | O_CREAT)
      await system.fallocate(fd, 0, 0, fileBytes)
      const before = server.output.length
      await makeDuring(call(fd), other, `${mount.mountpoint}/${name} ${n}`)
      t.ok((await system.fstat(fd)).blocks <= 8, `${name} is over when it returns`)
      await until(() => Promise.resolve(server.output.slice(before).includes(` ${opcode}(`)))
      served = servedWithin(server.output.slice(before), opcode).length
      await system.close(fd)
      await system.unlink(path)
    }
    t.ok(served > 0, `${served} requests were served during ${name}`)
  }
  await mount.unmount()
  t.equal(await server.ended(), 0)
  t.match(await mount.check(), /: clean,/)
}

for (const channel of [turnRingOn(tap), 'devfuse'])
  void tap.test(`over ${channel}`, (t) => serves(t, channel))
