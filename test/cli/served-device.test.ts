// SPDX-License-Identifier: GPL-2.0-only
/** The device of a server, found among all that the server has locked. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { pathsOfServed } from '../../src/cli/served-device.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { sparseFile } from './cli.js'

/**
 * Locks and maps devices, as a server does, and holds them until its input ends. There is a gap among the descriptors
 * before theirs.
 */
const server = `
  const { closeSync, openSync } = await import('node:fs')
  const { openDevice } = await import(process.argv[1] + '/device.js')
  const { mapDevices } = await import(process.argv[1] + '/map-device.js')
  const gap = openSync('/dev/null', 'r')
  const options = { access: 'read-write', exclusive: true }
  const devices = process.argv.slice(2).map((path) => openDevice(path, options))
  closeSync(gap)
  mapDevices(devices, 'read-write')
  process.stdout.write('mapped')
  process.stdin.resume()
`
const pmem = fileURLToPath(new URL('../../src/pmem', import.meta.url))

for (const memory of [true, false])
  for (const inherited of [3, 200])
    void t.test(
      `${memory ? 'tmpfs' : 'disk'}: its starter left descriptor ${inherited} locked`,
      async (t) => {
        const folder = await temporaryDirectory(t, memory ? SHARED_MEMORY : undefined)
        const device = sparseFile(join(folder, 'device'), 2 ** 21)
        const script = `exec ${inherited}>"$1" && flock ${inherited} && shift && exec "$@"`
        const node = [process.execPath, '--input-type=module', '-e', server, pmem, device]
        const child = spawn('bash', ['-c', script, 'bash', join(folder, 'lock'), ...node], {
          stdio: ['pipe', 'pipe', 'inherit'],
        })
        t.teardown(async () => {
          child.stdin.end()
          await once(child, 'exit')
        })
        await once(child.stdout, 'data')
        t.equal(pathsOfServed([device], child.pid!)[0]!, device)
        const { ino } = statSync(device)
        renameSync(device, join(folder, 'moved'))
        t.equal(statSync(pathsOfServed([device], child.pid!)[0]!).ino, ino, 'its name is gone')
        writeFileSync(device, 'another file of its name')
        t.equal(statSync(pathsOfServed([device], child.pid!)[0]!).ino, ino, "its name is another's")
        t.equal(pathsOfServed([device], null)[0]!, device, 'nobody knows the server')
      },
    )

/** @param devices in the order in which they are opened @returns its process */
async function serverOf(t: Test, devices: readonly string[]): Promise<number> {
  const node = ['--input-type=module', '-e', server, pmem, ...devices]
  const child = spawn(process.execPath, node, { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(async () => {
    child.stdin.end()
    await once(child, 'exit')
  })
  await once(child.stdout, 'data')
  return child.pid!
}

void t.test('several devices, of which some are synced by pages and others are not', async (t) => {
  const memory = await temporaryDirectory(t, SHARED_MEMORY)
  const disk = await temporaryDirectory(t)
  const folders = [disk, memory, disk, memory]
  const devices = folders.map((folder, n) => sparseFile(join(folder, `device ${n}`), 2 ** 21))
  const pid = await serverOf(t, devices)
  const numbers = devices.map((device) => statSync(device).ino)
  for (const device of devices) renameSync(device, `${device}, moved`)
  t.same(
    pathsOfServed(devices, pid).map((path) => statSync(path).ino),
    numbers,
  )
})

void t.test('one whose name is gone, opened before those whose names are not', async (t) => {
  const folder = await temporaryDirectory(t, SHARED_MEMORY)
  const devices = [0, 1, 2].map((n) => sparseFile(join(folder, `device ${n}`), 2 ** 21))
  const pid = await serverOf(t, devices.toReversed())
  const [gone] = devices as [string]
  const { ino } = statSync(gone)
  renameSync(gone, `${gone}, moved`)
  const [found, ...others] = pathsOfServed(devices, pid)
  t.equal(statSync(found!).ino, ino)
  t.same(others, devices.slice(1))
})
