// SPDX-License-Identifier: GPL-2.0-only
/** Limits of the system are named, and are no bugs: what failed, and what to raise. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { LoadError, workerFailure } from '../../src/daemon/mount-failure.js'
import { MountError } from '../../src/daemon/mount-error.js'
import { DeviceError } from '../../src/pmem/device-error.js'
import { finish, withoutRunner } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { TestMount, program, succeed } from '../support/test-mount.js'

tap.setTimeout(300_000)

/** Runs the program under a limit of the shell's. */
async function under(limit: string, ...args: readonly string[]) {
  const script = `ulimit ${limit} && exec "$@"`
  return finish('env', [...withoutRunner, 'bash', '-c', script, 'bash', process.execPath, program, ...args])
}

const tooMany = 'this process may open no more files: raise the limit \\(ulimit -n\\)'

/** With how many open files Node itself comes so far that it runs a program. */
async function leastOfNode(folder: string): Promise<number> {
  const empty = join(folder, 'empty.mjs')
  await writeFile(empty, '')
  for (let limit = 12; ; limit++) {
    const { end } = await finish('bash', [
      '-c',
      `ulimit -n ${limit} && exec '${process.execPath}' '${empty}'`,
    ])
    if (end === 0) return limit
  }
}

void tap.test('open files', async (t) => {
  const mount = await TestMount.make(t, '16M')
  const commands = [['info'], ['fsck'], ['dump'], ['grow'], ['mkfs', '--force']] as const
  const least = await leastOfNode(mount.folder)
  for (const [command, ...rest] of commands) {
    const few = await under('-n 48', command, mount.device, ...rest)
    t.equal(few.end, 0, `${command}: 48 are enough: ${few.output}`)
    const none = await under(`-n ${least}`, command, mount.device, ...rest)
    t.equal(none.end, command === 'fsck' ? 8 : 1)
    t.match(none.output, new RegExp(`^${command}: (cannot map ${mount.device}: )?${tooMany}$`))
  }
  for (let limit = least; limit < least + 4; limit++) {
    const { end, output } = await under(`-n ${limit}`, mount.device, mount.mountpoint)
    t.equal(end, 2, `a mount with ${limit}: the exit code of a system error`)
    t.match(output, new RegExp(`^mount: [^\\n]*${tooMany}$`))
  }
  const many = ['--channel', 'devfuse', '--workers', '30']
  const { end, output } = await under(`-n ${least + 10}`, mount.device, mount.mountpoint, ...many)
  t.equal(end, 2)
  t.match(output, /^mount: .*: raise the limit \(ulimit -n\)( or start fewer --workers)?$/m)
  t.notMatch(output, /a bug in/)
  t.notOk(mount.isMounted(), 'a mount that did not come about leaves nothing')
  await mount.mount()
  const refused = await under(`-n ${least}`, 'umount', mount.mountpoint)
  t.equal(refused.end, 2)
  t.match(refused.output, new RegExp(`^umount: ${tooMany}$`))
  t.ok(mount.isMounted())
  const unmounted = await under('-n 48', 'umount', mount.mountpoint)
  t.same(unmounted, { end: 0, output: '' }, 'umount: 48 are enough')
  t.notOk(mount.isMounted())
})

void tap.test('memory', async (t) => {
  const folder = await temporaryDirectory(t)
  const device = join(folder, 'device')
  await succeed('mkfs', device, '--size', '64G', '--sparse')
  // Node itself reserves much, and ends by itself where it cannot.
  for (const [command, exitCode] of [
    ['info', 1],
    ['fsck', 8],
    ['dump', 1],
    ['mount', 2],
  ] as const) {
    const { end, output } = await under(
      '-v 8000000',
      command,
      device,
      ...(command === 'mount' ? [folder, '--foreground'] : []),
    )
    t.equal(end, exitCode, output)
    t.match(
      output,
      /: cannot map \d+ bytes at \d+ of \S+: there is no memory left, or no more of it is allowed/,
    )
  }
})

void tap.test('what a worker meets while it loads the program', (t) => {
  const cause = Object.assign(new Error("Cannot find package 'debug'"), { code: 'ERR_MODULE_NOT_FOUND' })
  const limit = workerFailure(new LoadError(cause), null, () => true)
  t.type(limit, MountError)
  t.match(limit, {
    exitCode: 2,
    message:
      "a worker cannot be started: it could not load the program (Cannot find package 'debug'): raise the limit (ulimit -n) or start fewer --workers",
  })
  const defect = workerFailure(new LoadError(cause), null, () => false)
  t.notOk(defect instanceof MountError)
  t.match(defect, {
    message: "a worker could not load the program: Cannot find package 'debug'",
    cause: { cause },
  })
  const named = Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' })
  t.match(
    workerFailure(new LoadError(named), null, () => false),
    {
      exitCode: 2,
      message: 'a worker cannot be started: this process may open no more files: raise the limit (ulimit -n)',
    },
  )
  t.end()
})

void tap.test('a worker whose program is broken has met no limit', async (t) => {
  const mount = await TestMount.make(t, '16M')
  const script = join(mount.folder, 'broken.mjs')
  // Each thread loads it.
  await writeFile(
    script,
    "import { isMainThread } from 'node:worker_threads'\nif (!isMainThread) throw new SyntaxError('no module')\n",
  )
  const environment = [...withoutRunner, `NODE_OPTIONS=--import=${script}`, 'DEBUG=pmfs2:cli']
  const args = [process.execPath, program, mount.device, mount.mountpoint, '-f']
  const { end, output } = await finish('env', [...environment, ...args])
  t.equal(end, 4)
  t.match(
    output,
    /^mount: this is a bug in .*: a worker could not load the program: no module \(/m,
    'it is reported as it is',
  )
  t.match(output, /\[cause\]: SyntaxError.*\n +at .*broken\.mjs/, 'with its place')
  t.notMatch(output, /raise the limit/)
  t.notOk(mount.isMounted())
})

void tap.test('what a worker meets', (t) => {
  const enough = (): boolean => false
  const refused = Object.assign(new Error('Worker initialization failure: EAGAIN'), {
    code: 'ERR_WORKER_INIT_FAILED',
  })
  const early = workerFailure(refused, null, enough)
  t.type(early, MountError)
  t.match(early.message, /^a worker cannot be started: no further thread can be had: raise the limit/)
  const withoutDescriptors = Object.assign(new Error('Worker initialization failure: EMFILE'), {
    code: 'ERR_WORKER_INIT_FAILED',
  })
  t.match(
    workerFailure(withoutDescriptors, null, enough).message,
    /^a worker cannot be started: this process may open no more files: raise the limit \(ulimit -n\)$/,
  )
  const late = workerFailure(
    Object.assign(new Error('full'), { code: 'ERR_WORKER_OUT_OF_MEMORY' }),
    '/mnt',
    enough,
  )
  t.match(late.message, /^the mount has failed: a worker ended: .*pmfs2-fuse umount \/mnt/)
  const device = workerFailure(new DeviceError('EIO', 'cannot write /dev/x'), '/mnt', enough)
  t.type(device, DeviceError)
  t.match(device.message, /^the mount has failed: cannot write \/dev\/x; programs get ENOTCONN at \/mnt/)
  t.match(
    workerFailure(new TypeError('oops'), null, enough).message,
    /^a worker failed, and the mount with it: oops$/,
  )
  t.end()
})
