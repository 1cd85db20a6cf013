// SPDX-License-Identifier: GPL-2.0-only
/**
 * `npm start`: a first look. Makes a file system in emulated persistent memory, mounts it, and stays until Ctrl-C,
 * which takes all of it away again.
 */
import { spawnSync } from 'node:child_process'
import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  rmdirSync,
  statfsSync,
} from 'node:fs'
import { delimiter, dirname, join, relative, resolve } from 'node:path'
import { runScript } from './interruption.js'
import { SetupError, root, setUp } from './setup.js'

const usage = 'npm start [-- MOUNTPOINT]'
const command = join(root, 'bin/pmfs2-fuse.js')
const memoryFolder = '/dev/shm'
const mebibyte = 2 ** 20
const deviceMebibytes = 1024
const leastMebibytes = 16
/** Bit of CapEff in /proc/self/status, capabilities(7). */
const CAP_SYS_ADMIN = 21n
const container = 'in a container, start that with --device /dev/fuse --cap-add SYS_ADMIN'

function checkMachine() {
  const isRoot = process.getuid() === 0
  if (isRoot && !mayMount()) throw new SetupError(`root may not mount here (no CAP_SYS_ADMIN); ${container}`)
  if (!isRoot && !isOnPath('fusermount3')) {
    throw new SetupError(
      'who is not root mounts with fusermount3, which is missing; on Debian: apt-get install fuse3',
    )
  }
  try {
    closeSync(openSync('/dev/fuse', 'r+'))
  } catch (error) {
    throw new SetupError(fuseProblem(error.code, isRoot))
  }
}

function fuseProblem(code, isRoot) {
  if (code === 'ENOENT')
    return `there is no /dev/fuse: load the kernel's module (modprobe fuse); ${container}`
  if (code === 'EACCES' && !isRoot)
    return 'only root may open /dev/fuse here; chmod 666 /dev/fuse lets others mount too'
  return `/dev/fuse cannot be opened (${code}); ${container}`
}

function isOnPath(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function mayMount() {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return effective === undefined || ((BigInt(`0x${effective}`) >> CAP_SYS_ADMIN) & 1n) === 1n
}

/** How large the emulated device can be: memory that is not there would end the server when it is stored to. */
function affordableMebibytes() {
  const { bavail, bsize } = statfsSync(memoryFolder)
  const free = Math.floor((bavail * bsize) / mebibyte)
  if (free < leastMebibytes)
    throw new SetupError(`${memoryFolder} has ${free} MiB left: too little for a device`)
  return Math.min(deviceMebibytes, free)
}

/** @returns the topmost directory that was made here, if any */
function makeMountpoint(path) {
  try {
    return mkdirSync(path, { recursive: true })
  } catch {
    // It is a file, say, or its server has died. The mount says so.
    return undefined
  }
}

async function makeDevice(interruption, device, mebibytes) {
  const args = [
    command,
    'mkfs',
    device,
    '--size',
    `${mebibytes}M`,
    '--label',
    'npm start',
    '--sparse',
    '--quiet',
  ]
  const { code } = await interruption.run(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  interruption.check()
  if (code !== 0) throw new SetupError('mkfs failed (above)')
}

/** Serves until the mount ends. @returns the server's exit code @throws Interrupted where that came before the mount */
async function serve(interruption, device, mountpoint, live) {
  let isLive = false
  const { code, signal } = await interruption.run(
    process.execPath,
    [command, 'mount', device, mountpoint, '--foreground'],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
    (server) =>
      server.on('message', () => {
        server.disconnect()
        isLive = true
        live()
      }),
  )
  if (!isLive) interruption.check()
  if (signal !== null) console.error(`start: the server was ended by ${signal}`)
  return code ?? 1
}

function tellWhatToTry(mountpoint, device, mebibytes) {
  const shown = relative(process.cwd(), mountpoint)
  const place = shown.startsWith('..') || shown === '' ? mountpoint : shown
  console.log(`
PMFS2 is mounted at ${mountpoint}
on ${mebibytes} MiB of emulated persistent memory (${device}).

Try, in another terminal:

    echo "hello, world" > ${place}/hello
    ls -la ${place}
    npx pmfs2-fuse info ${place}

Ctrl-C unmounts it and deletes the emulated device with all that was stored.`)
}

async function main(interruption) {
  const args = process.argv.slice(2)
  if (args.length > 1 || args[0]?.startsWith('-')) throw new SetupError(`usage: ${usage}`)
  const mountpoint = resolve(args[0] ?? join(root, 'mnt'))
  checkMachine()
  await setUp(interruption)
  const mebibytes = affordableMebibytes()
  interruption.check()
  // From here to the removal a signal ends a child, and nothing else.
  const folder = mkdtempSync(join(memoryFolder, 'pmfs2-start-'))
  const device = join(folder, 'pmem')
  let made
  try {
    await makeDevice(interruption, device, mebibytes)
    made = makeMountpoint(mountpoint)
    process.exitCode = await serve(interruption, device, mountpoint, () =>
      tellWhatToTry(mountpoint, device, mebibytes),
    )
    if (process.exitCode === 0) console.log('\nUnmounted; the emulated device is deleted.')
  } finally {
    unmountLeftOver(device, mountpoint)
    rmSync(folder, { recursive: true, force: true })
    if (made !== undefined) removeMountpoint(mountpoint, made)
  }
}

/** A server that was killed leaves its mount behind, and nobody could mount there again. */
function unmountLeftOver(device, mountpoint) {
  if (!readFileSync('/proc/self/mountinfo', 'utf8').includes(` fuse.pmfs2 ${device} `)) return
  spawnSync(process.execPath, [command, 'umount', '--lazy', mountpoint], { stdio: 'inherit' })
}

/** And the directories above it that were made with it. */
function removeMountpoint(path, topmost) {
  try {
    rmdirSync(path)
  } catch {
    // Somebody has put something there, or still looks at it: then it is not ours to remove.
    return
  }
  if (path !== topmost) removeMountpoint(dirname(path), topmost)
}

await runScript('start', SetupError, main)
