// SPDX-License-Identifier: GPL-2.0-only
/**
 * A worker that fails takes its mount with it, and nothing else: no program waits for ever, none writes into the
 * directory below, as the mount stays until it is unmounted, and the device is left as after a loss of power.
 */
import { mkdir, readFile, rename, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { SystemLog, logToSystem } from '../../src/daemon/system-log.js'
import { marks } from '../support/defect-marks.js'
import { ForegroundServer } from '../support/foreground-server.js'
import { finish, run, withoutRunner } from '../support/run-command.js'
import { System, outcome } from '../support/system.js'
import { type TearsDown, temporaryDirectory } from '../support/temporary.js'
import {
  TestMount,
  hasEnded,
  plantDefect,
  program,
  programEnvironment,
  succeed,
  until,
} from '../support/test-mount.js'

tap.setTimeout(300_000)

async function defectiveMount(t: Parameters<typeof TestMount.make>[0]): Promise<[TestMount, System]> {
  const mount = await TestMount.mounted(t, '16M')
  const system = await System.start()
  t.teardown(() => system.stop())
  await system.writeFile(join(mount.mountpoint, 'whole'), 'contents')
  await system.writeFile(join(mount.mountpoint, 'marked'), 'contents')
  await system.chown(join(mount.mountpoint, 'marked'), marks.uid, marks.gid)
  await mount.unmount()
  plantDefect(t)
  return [mount, system]
}

void tap.test('in the foreground', async (t) => {
  const [mount, system] = await defectiveMount(t)
  const server = await ForegroundServer.start(mount, '-f')
  await system.chdir(mount.mountpoint)
  t.not(await outcome(system.readFile('marked')), 'OK', 'the program that met it hears of it')
  t.equal(await server.ended(), 4, 'it ends as a program with a bug')
  t.match(server.output, /^mount: this is a bug in .*: a worker failed, and the mount with it: /m)
  t.ok(mount.isMounted(), 'the mount is left')
  t.equal(await outcome(system.stat('whole')), 'ENOTCONN')
  t.equal(await outcome(system.writeFile(join(mount.mountpoint, 'below'), 'x')), 'ENOTCONN')
  t.ok(server.output.includes(`pmfs2-fuse umount ${mount.mountpoint}`), 'what to do')
  // The program that met it is still in there.
  await succeed('umount', '--lazy', mount.mountpoint)
  t.notOk(mount.isMounted())
  t.same(await system.names(mount.mountpoint), [], 'nothing was written below')
  const { state } = JSON.parse(await succeed('info', mount.device, '--json')) as { state: string }
  t.equal(state, 'dirty', 'nobody says that it was left in order')

  await mount.mount()
  t.equal((await system.readFile(join(mount.mountpoint, 'whole'))).toString(), 'contents')
})

void tap.test('in the background', async (t) => {
  const [mount, system] = await defectiveMount(t)
  const log = join(mount.folder, 'log')
  const path = await withLogger(t, `printf '%s\\n' "$*" >> '${log}'`)
  const started = await finish('env', [...path, process.execPath, program, mount.device, mount.mountpoint])
  t.equal(started.end, 0, started.output)
  const { pid } = await mount.adopt()
  t.not(await outcome(system.readFile(join(mount.mountpoint, 'marked'))), 'OK')
  t.ok(await hasEnded(pid), 'the server ends')
  t.ok(mount.isMounted())
  const lines = (await readFile(log, 'utf8')).trimEnd().split('\n')
  t.equal(lines.length, 1, 'the system log hears of it, once')
  t.match(lines[0], `--tag pmfs2-fuse --id=${pid} --priority daemon.err -- ${mount.device}: `)
  t.match(lines[0], /a worker failed, and the mount with it: /)
})

void tap.test('the line about another device than the first names the volume once', async (t) => {
  const mount = await TestMount.makeOn(t, 8 * 2 ** 20, 8 * 2 ** 20)
  const { device, mountpoint } = mount
  // A name that does not begin with that of the first.
  const second = join(mount.folder, 'other')
  await rename(mount.devices[1]!, second)
  const log = join(mount.folder, 'log')
  const path = await withLogger(t, `printf '%s\\n' "$*" >> '${log}'`)
  const started = await finish('env', [...path, process.execPath, program, device, mountpoint])
  t.equal(started.end, 0, started.output)
  const { pid } = await mount.adopt()
  const system = await System.start()
  t.teardown(() => system.stop())
  const contents = Buffer.alloc(12 * 2 ** 20, 'contents')
  await system.writeFile(join(mountpoint, 'file'), contents)
  await truncate(second, 2 ** 20)
  t.not(await outcome(system.writeFile(join(mountpoint, 'file'), contents)), 'OK')
  t.ok(await hasEnded(pid), 'the server ends')
  const said = await readFile(log, 'utf8')
  t.match(said, ` -- ${device}: the mount has failed: cannot access ${second} at byte `)
})

void tap.test('killed in the background', async (t) => {
  const mount = await TestMount.make(t, '16M')
  const log = join(mount.folder, 'log')
  const path = await withLogger(t, `printf '%s\\n' "$*" >> '${log}'`)
  const start = ['env', ...path, process.execPath, program, mount.device, mount.mountpoint]
  t.equal((await finish('env', start.slice(1))).end, 0)
  await mount.adopt()
  await mount.unmount()
  t.equal((await finish('env', start.slice(1))).end, 0)
  const { pid } = await mount.adopt()
  process.kill(pid, 'SIGKILL')
  t.ok(
    await until(async () => (await readFile(log, 'utf8').catch(() => '')) !== ''),
    'the system log hears of it',
  )
  const line = `--socket-errors=on --tag pmfs2-fuse --id=${pid} --priority daemon.err -- ${mount.device}: its server was killed; `
  t.ok((await readFile(log, 'utf8')).startsWith(line), 'and not of the one that was unmounted')
})

void tap.test('killed while its workers start', async (t) => {
  const mount = await TestMount.make(t, '16M')
  const script = join(mount.folder, 'killed.mjs')
  // Its number, the lowest one that is free, is most probably given to the mount.
  const other = join(mount.folder, 'other')
  await mkdir(other)
  await run('mount', ['-t', 'tmpfs', 'pmfs2-test', other])
  t.teardown(() => finish('umount', [other]))
  // Each thread loads it.
  await writeFile(
    script,
    [
      "import { spawnSync } from 'node:child_process'",
      "import { isMainThread } from 'node:worker_threads'",
      `if (isMainThread && process.argv.includes('--foreground')) spawnSync('umount', ['${other}'])`,
      "if (!isMainThread) process.kill(process.pid, 'SIGKILL')",
    ].join('\n'),
  )
  const start = (...options: readonly string[]) =>
    finish('env', [...withoutRunner, ...options, process.execPath, program, mount.device, mount.mountpoint])
  const killing = `NODE_OPTIONS=--import=${script}`
  const killed = await start(killing)
  t.equal(killed.end, 32)
  t.match(killed.output, /the server was killed by SIGKILL before the mount was live$/)
  t.notOk(mount.isMounted(), 'the kernel had mounted it already')
  await mount.mount()
  await writeFile(script, "if (process.argv.includes('--foreground')) process.kill(process.pid, 'SIGKILL')\n")
  t.match((await start(killing)).output, /the server was killed by SIGKILL/)
  t.ok(mount.isMounted(), 'what was there before stays')
})

void tap.test('killed before the mount is live', async (t) => {
  const mount = await TestMount.make(t, '16M')
  const script = join(mount.folder, 'killed.mjs')
  const memory = '; it probably ran out of memory or address space (ulimit -v)'
  for (const [signal, end, cause] of [
    ['SIGKILL', 32, ''],
    ['SIGTRAP', 2, memory],
    ['SIGABRT', 2, memory],
  ] as const) {
    await writeFile(
      script,
      `if (process.argv.includes('--foreground')) process.kill(process.pid, '${signal}')\n`,
    )
    const started = await finish('env', [
      ...withoutRunner,
      `NODE_OPTIONS=--import=${script}`,
      process.execPath,
      program,
      mount.device,
      mount.mountpoint,
    ])
    t.equal(started.end, end, signal)
    t.equal(
      started.output,
      `mount: ${mount.device}: the server was killed by ${signal} before the mount was live${cause}`,
    )
    t.notOk(mount.isMounted())
  }
})

/** Puts a program that passes for logger(1) into the path, and is told errors. @returns arguments of env(1) */
async function withLogger(t: TearsDown, script: string): Promise<string[]> {
  const folder = await temporaryDirectory(t)
  const quiet = 'case "$*" in *daemon.info*) exec cat >/dev/null ;; esac'
  await writeFile(join(folder, 'logger'), `#!/bin/sh\n${quiet}\n${script}\n`, { mode: 0o755 })
  return [...programEnvironment, `PATH=${folder}:${process.env['PATH'] ?? ''}`]
}

void tap.test('where no syslog answers, the kernel takes the line', async (t) => {
  const folder = await temporaryDirectory(t)
  const kernelLog = join(folder, 'kmsg')
  await writeFile(kernelLog, '')
  const line = `<27>pmfs2-fuse[${process.pid}]: what happened\n`
  t.ok(logToSystem('what happened', { logger: '/bin/false', kernelLog }))
  t.equal(await readFile(kernelLog, 'utf8'), line)
  t.ok(logToSystem('what happened', { logger: join(folder, 'missing'), kernelLog }))
  t.equal(await readFile(kernelLog, 'utf8'), line, 'nor where there is no logger')
  t.ok(logToSystem('what happened', { logger: '/bin/true', kernelLog: join(folder, 'missing', 'kmsg') }))
  t.notOk(logToSystem('what happened', { logger: '/bin/false', kernelLog: join(folder, 'missing', 'kmsg') }))
})

void tap.test('lines that nobody waits for come in order, and none is lost', async (t) => {
  const folder = await temporaryDirectory(t)
  const [taken, kernelLog, logger] = ['taken', 'kmsg', 'logger'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  const lines = Array.from({ length: 5 }, (_, n) => `line ${n}`)
  const all = lines.map((line) => `${line}\n`).join('')
  const logAll = (log: SystemLog): void => lines.forEach((line) => log.log(line))
  await writeFile(kernelLog, '')
  await writeFile(logger, `#!/bin/sh\ncat >>'${taken}'\n`, { mode: 0o755 })
  logAll(new SystemLog('err', { logger, kernelLog }))
  t.ok(await until(async () => (await readFile(taken, 'utf8').catch(() => '')) === all))
  t.equal(await readFile(kernelLog, 'utf8'), '')
  for (const refusing of ['/bin/false', join(folder, 'missing')]) {
    await writeFile(kernelLog, '')
    logAll(new SystemLog('err', { logger: refusing, kernelLog }))
    // Each takes the place of the one before, which it does not in the kernel's log.
    const last = `<27>pmfs2-fuse[${process.pid}]: ${lines.at(-1)!}\n`
    t.ok(await until(async () => (await readFile(kernelLog, 'utf8')) === last), refusing)
  }
})
