// SPDX-License-Identifier: GPL-2.0-only
/** The control socket: whose answers are believed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import tap, { type Test } from 'tap'
import {
  type Control,
  allControlSockets,
  controlSockets,
  openControl,
  queryDaemonOf,
  socketName,
} from '../../src/daemon/control.js'
import { type DaemonReport, parseReport } from '../../src/daemon/daemon-report.js'
import type { MountIdentity } from '../../src/daemon/mount-table.js'
import { badListRuns } from '../../src/fs/shared-state.js'
import { connectTo, findListeners, isListener, listeningSockets } from '../../src/daemon/socket-owner.js'

const report: DaemonReport = {
  devices: ['/dev/pmem0', '/dev/pmem1'],
  device: '/dev/pmem0',
  mountpoint: '/mnt/pmfs2',
  channel: 'devfuse',
  mapper: 'mmap-io',
  data: 'cow',
  isDirect: false,
  workers: 1,
  startedAt: '2026-01-01T00:00:00.000Z',
  growths: [
    { order: 'abc', refusal: 'why not', isUncertain: true, grown: null },
    { order: 'def', refusal: null, isUncertain: false, grown: { before: 1, after: 3, unused: 1 } },
  ],
  mode: {
    readOnly: true,
    isChanging: false,
    refusal: 'why',
    directIo: true,
    writebackCache: false,
    xattrs: true,
    acls: true,
    onErrors: 'remount-ro',
  },
  requests: { LOOKUP: 3 },
  bytesRead: 0,
  bytesWritten: 4096,
  usage: { totalBytes: 8192, usedBytes: 4096, freeBytes: 4096, usedInodes: 1, freeInodes: 32 },
  damageMet: 2,
  damagedPlaces: ['inode 5: block 9 is named as data'],
  badBlocks: [[{ first: 9, count: 1 }], []],
  places: [
    { identity: '40 9', isDeleted: false },
    { identity: 'block 259', isDeleted: true },
  ],
}
/** For processes of their own. */
const controlModule = fileURLToPath(new URL('../../src/daemon/control.js', import.meta.url))
/** Mounts of numbers that no file system has: the kernel counts them up from 1. */
const unused = (n: number): MountIdentity => ({
  device: `0:${2 ** 20 - 1 - n}`,
  source: `/dev/pmem${process.pid}`,
})

async function listens(t: Test, control: Control): Promise<void> {
  t.teardown(() => control.close())
  await control.settled
}

void tap.test('the process that listens is believed', async (t) => {
  await listens(
    t,
    openControl(unused(0), () => report),
  )
  t.same(await queryDaemonOf(unused(0), 0), { ...report, pid: process.pid })
})

void tap.test('the kernel tells its number, whatever it says itself', async (t) => {
  const lying = { ...report, pid: 1 }
  await listens(
    t,
    openControl(unused(1), () => lying),
  )
  t.same(await queryDaemonOf(unused(1), 0), { ...report, pid: process.pid })
})

void tap.test('a server that knows of as many bad blocks as a volume can', async (t) => {
  const runs = Array.from({ length: badListRuns }, (_, n) => ({ first: 2 ** 40 + 2 * n, count: 1 }))
  const full = { ...report, badBlocks: [runs, []] }
  await listens(
    t,
    openControl(unused(11), () => full),
  )
  t.same(await queryDaemonOf(unused(11), 0), { ...full, pid: process.pid })
})

/** Listens in a PID namespace of its own until its input ends. */
const listener = `
  const { openControl } = await import(process.argv[1])
  const mount = JSON.parse(process.argv[2])
  await openControl(mount, () => ({ ...JSON.parse(process.argv[3]), pid: process.pid })).settled
  process.stdout.write(process.pid + '\\n')
  process.stdin.resume()
`

void tap.test('a server in a PID namespace below is believed, and known by its number here', async (t) => {
  const mount = unused(2)
  const node = [process.execPath, '--input-type=module', '-e', listener, controlModule, JSON.stringify(mount)]
  const args = ['--pid', '--fork', '--kill-child=KILL', '--', ...node, JSON.stringify(report)]
  const server = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => server.kill('SIGKILL'))
  const [said] = (await once(server.stdout, 'data')) as [Buffer]
  t.equal(said.toString(), '1\n', 'its number there')
  const forked = await readFile(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8')
  t.same(await queryDaemonOf(mount, 0), { ...report, pid: Number(forked) })
})

/** Prints what it hears. */
const hearer = `
  const { queryDaemonOf } = await import(process.argv[1])
  process.stdout.write(JSON.stringify(await queryDaemonOf(JSON.parse(process.argv[2]), 0)))
`

void tap.test('a server outside of the PID namespace is believed, and has no number there', async (t) => {
  const mount = unused(10)
  await listens(
    t,
    openControl(mount, () => report),
  )
  const node = [process.execPath, '--input-type=module', '-e', hearer, controlModule, JSON.stringify(mount)]
  const args = ['--pid', '--fork', '--kill-child=KILL', '--', ...node]
  const asking = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let heard = ''
  asking.stdout.on('data', (part: Buffer) => (heard += part.toString()))
  await once(asking, 'close')
  t.same(JSON.parse(heard), { ...report, pid: null })
})

void tap.test('one that floods is not believed', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    const pour = (): void => {
      while (socket.write('x'.repeat(10_000)));
      socket.once('drain', pour)
    }
    pour()
  })
  t.teardown(() => server.close())
  server.listen(socketName(unused(3)))
  await once(server, 'listening')
  t.equal(await queryDaemonOf(unused(3), 0), null)
})

/** Connects, and neither reads nor closes; tells the process's end by its output. */
const holder = `
  const { openControl } = await import(process.argv[1])
  const { connect } = await import('node:net')
  const mount = JSON.parse(process.argv[2])
  const control = openControl(mount, () => JSON.parse(process.argv[3]))
  await control.settled
  process.stdout.write('open\\n')
  process.stdin.once('data', () => {
    control.close()
    process.stdin.destroy()
  })
`

void tap.test('who holds the socket open keeps no server alive', async (t) => {
  const mount = unused(5)
  // Longer than a socket buffers, so that the answer cannot be handed over at once.
  const long = { ...report, mountpoint: 'x'.repeat(2 ** 16) }
  const args = [
    '--input-type=module',
    '-e',
    holder,
    controlModule,
    JSON.stringify(mount),
    JSON.stringify(long),
  ]
  const server = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => server.kill('SIGKILL'))
  await once(server.stdout, 'data')
  const [name] = controlSockets(mount) as [string]
  const idle = Array.from({ length: 100 }, () => connect({ path: name, allowHalfOpen: true }))
  t.teardown(() => idle.forEach((socket) => socket.destroy()))
  for (const socket of idle) socket.on('error', () => undefined)
  await once(idle[0]!, 'connect')
  const ended = once(server, 'exit')
  server.stdin.write('close\n')
  t.same(await ended, [0, null])
})

void tap.test('nobody listens', async (t) => {
  t.equal(await queryDaemonOf(unused(4), 0), null)
})

void tap.test('what is no report', (t) => {
  t.same(parseReport(JSON.stringify(report)), report)
  for (const text of ['', '{', 'null', '1', '[]', '{}']) t.equal(parseReport(text), null, text)
  const { damageMet, damagedPlaces, badBlocks, places, data, isDirect, mode, ...before } = report
  t.ok(damageMet > 0 && damagedPlaces.length > 0 && mode.readOnly && data === 'cow' && !isDirect)
  t.ok(badBlocks.length > 0 && places.length > 0)
  t.same(
    parseReport(JSON.stringify(before)),
    {
      ...report,
      data: 'inplace',
      isDirect: true,
      damageMet: 0,
      damagedPlaces: [],
      badBlocks: [],
      places: [],
      mode: {
        readOnly: false,
        isChanging: false,
        refusal: null,
        directIo: false,
        writebackCache: false,
        xattrs: true,
        acls: true,
        onErrors: 'continue',
      },
    },
    'a server of before is understood',
  )
  const bad = [
    { device: 1 },
    { workers: -1 },
    { requests: null },
    { requests: { A: 'b' } },
    { damageMet: '2' },
    { isDirect: 1 },
    { damagedPlaces: 'x' },
    { damagedPlaces: [1] },
    { badBlocks: {} },
    { badBlocks: [{ first: 1, count: 1 }] },
    { badBlocks: [[{ first: 1, count: '1' }]] },
    { places: {} },
    { places: [{ identity: 1, isDeleted: true }] },
    { places: [{ identity: '40 9' }] },
    { growths: {} },
    { growths: [{ order: 'abc', refusal: 1, grown: null }] },
    { growths: [{ order: 'abc', refusal: null }] },
    { growths: [{ order: 'abc', refusal: 'why not', isUncertain: 1, grown: null }] },
    { growths: [{ order: 'abc', refusal: null, grown: { before: 1, after: 2 } }] },
    { mode: null },
    { mode: { ...mode, readOnly: 1 } },
    { mode: { ...mode, refusal: 1 } },
  ]
  for (const change of bad) {
    const text = JSON.stringify({ ...report, ...change })
    t.equal(parseReport(text), null, JSON.stringify(change))
  }
  t.end()
})

/**
 * Takes names of a mount, as a user who is not root: the plain one, as many as are asked for, and one with a
 * newline that looks like a line of /proc/net/unix. A last argument is what it says.
 */
const stranger = `
import os, socket, sys
name, count, victim, answer = sys.argv[1:]
os.setgroups([])
os.setresuid(65534, 65534, 65534)
start = b'\\0' + name.encode()
names = [start, start.ljust(108, b'\\0')]
names += [start + b'/' + str(number).encode().rjust(99 - len(start), b'f') + bytes(8) for number in range(int(count))]
line = b'00000000: 00000002 00000000 00010000 0001 01 ' + victim.encode() + b' @' + start[1:] + b'/f'
names.append(b'\\0\\n' + line)
sockets = []
for name in names:
    sockets.append(socket.socket(socket.AF_UNIX))
    sockets[-1].bind(name)
    sockets[-1].listen(5)
print('taken', flush=True)
while answer:
    for one in sockets[2:3]:
        connection, _ = one.accept()
        try:
            connection.sendall(answer.replace('"pid":0', '"pid":%d' % os.getpid()).encode())
        except OSError:
            pass
        connection.close()
sys.stdin.read()
`

/** What names of its control socket begin with, behind their NUL. */
function startOf(mount: MountIdentity): string {
  const name = socketName(mount)
  return name.slice(1, name.lastIndexOf('/'))
}

async function strangerTakes(t: Test, mount: MountIdentity, count: number, answer = ''): Promise<number> {
  const args = ['-c', stranger, startOf(mount), `${count}`, '12345', answer]
  const child = spawn('python3', args, { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child.pid!
}

void tap.test('names that a stranger took first change nothing', async (t) => {
  const mount = unused(6)
  await strangerTakes(t, mount, 300)
  t.equal(controlSockets(mount).length, 300)
  t.equal(await queryDaemonOf(mount, 0), null, 'no server, though all of them are silent')
  t.same(findListeners(controlSockets(mount), 0), [])
  await listens(
    t,
    openControl(mount, () => report),
  )
  t.same(await queryDaemonOf(mount, 0), { ...report, pid: process.pid }, 'the server is found among them')
  const peers = connectTo(controlSockets(mount), 0)
  t.same(
    peers.map(({ pid }) => pid),
    [process.pid],
    'and no other is asked',
  )
  for (const { fd } of peers) closeSync(fd)
  t.same(findListeners(controlSockets(mount), 0), [process.pid])
})

void tap.test('one that has fallen silent is there still', async (t) => {
  const mount = unused(12)
  const control = openControl(mount, () => report)
  await listens(t, control)
  t.match(await queryDaemonOf(mount, 0), report)
  control.fallSilent()
  t.equal(await queryDaemonOf(mount, 0), null)
  t.same(findListeners(controlSockets(mount), 0), [process.pid])
  t.ok(isListener(process.pid, allControlSockets()))
})

void tap.test('a mount that has the number of one that is gone is another', async (t) => {
  const gone = unused(13)
  await listens(
    t,
    openControl(gone, () => report),
  )
  const next = { ...gone, source: '/dev/pmem7' }
  t.equal(await queryDaemonOf(next, 0), null)
  t.same(findListeners(controlSockets(next), 0), [])
  t.same(findListeners(controlSockets({ ...gone, device: '0:1' }), 0), [])
  t.match(await queryDaemonOf(gone, 0), report)
})

void tap.test('a stranger who answers is not believed', async (t) => {
  const mount = unused(7)
  const pid = await strangerTakes(t, mount, 1, JSON.stringify({ ...report, pid: 0 }))
  t.match(await queryDaemonOf(mount, null), { pid }, 'it does answer')
  t.equal(await queryDaemonOf(mount, 0), null)
  t.match(await queryDaemonOf(mount, 65_534), { pid }, 'it is believed of a mount of its own')
})

/** Runs as a user who may not look into the processes of others, and prints whom it believes. */
const thirdUser = `
  process.setgroups([])
  process.setgid(1234)
  process.setuid(1234)
  const { queryDaemonOf } = await import(process.argv[1])
  const report = await queryDaemonOf(JSON.parse(process.argv[2]), Number(process.argv[3]))
  process.stdout.write(String(report?.pid ?? null))
`

void tap.test('a third user believes the server, and no stranger who claims its number', async (t) => {
  const mount = unused(9)
  const believed = async (owner: number): Promise<string> => {
    const args = ['--input-type=module', '-e', thirdUser, controlModule, JSON.stringify(mount), `${owner}`]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout.on('data', (part: Buffer) => (said += part.toString()))
    await once(child, 'close')
    return said
  }
  await strangerTakes(t, mount, 1, JSON.stringify(report))
  t.equal(await believed(0), 'null', 'it claims to be a process of root')
  await listens(
    t,
    openControl(mount, () => report),
  )
  t.equal(await believed(0), String(process.pid))
})

void tap.test('a name is no line of the table', async (t) => {
  const mount = unused(8)
  await strangerTakes(t, mount, 0)
  t.same(listeningSockets(`\0${startOf(mount)}`), [])
})
