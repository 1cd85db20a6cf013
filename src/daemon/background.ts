// SPDX-License-Identifier: GPL-2.0-only
/**
 * Going to the background: the caller starts the server as a process of its own, passes on what it prints, waits until
 * the mount is live, and leaves it alone. A server that fails before has said why, and its exit code is the caller's;
 * one that fails afterwards tells the system log. For one that a signal kills, a shell that waits for its end does so.
 */
import { spawn } from 'node:child_process'
import debug from 'debug'
import { rawCommand } from '../native/raw-command.js'
import { startProgram } from './start-program.js'
import { SystemLog, logCommand, logToSystem, messagesOf } from './system-log.js'

const trace = debug('pmfs2:daemon')

const exitKilled = 32

export interface StartResult {
  /** 0 once the mount is live. */
  readonly exitCode: number
  /** The signal that ended a server which had not said why. */
  readonly signal: NodeJS.Signals | null
}

/** Starts `args` of this program in a session of its own, and waits until the mount is live or has failed. */
export async function startInBackground(program: string, args: readonly string[]): Promise<StartResult> {
  const child = spawn(...rawCommand(process.execPath, [program, ...args]), {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    cwd: '/',
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    // One that could not be started has none.
    child.stderr?.pipe(process.stderr, { end: false })
    child.on('message', () => {
      child.disconnect()
      child.stderr?.destroy()
      child.unref()
      resolve({ exitCode: 0, signal: null })
    })
    child.on('close', (code, signal) => resolve({ exitCode: code ?? exitKilled, signal }))
  })
}

let isAlone = false

/** Whoever interrupts the command that starts a mount means the mount. */
function endLikeStarter(): void {
  process.kill(process.pid, 'SIGTERM')
}

/** In the server, early: it ends as by a signal where its starter, if there is one, ends before it is live. */
export function heedStarter(): void {
  if (process.send === undefined) return
  process.once('disconnect', endLikeStarter)
  // A listener is no reason for this process to go on.
  process.channel?.unref()
  if (!process.connected) endLikeStarter()
}

/**
 * In the server: ends the wait of the process that started it in the background, if there is one.
 * @param lastWords for the system log, should a signal kill the server
 */
export function leaveStarter(lastWords: string): void {
  if (process.send === undefined) return
  process.off('disconnect', endLikeStarter)
  process.send('live', (error: Error | null) => trace('the starter is told: %s', error?.message ?? 'heard'))
  isAlone = true
  leaveWatcher(lastWords)
}

/**
 * In the server: a defect of its main thread ends the process at once. Otherwise Node waits for the workers, and these
 * for the kernel: a mount would go on that nobody can ask for anything.
 */
export function endOnDefect(): void {
  process.on('uncaughtException', (error: unknown) => {
    try {
      tellIfAlone(`it ended on ${String(error)}`)
      process.stderr.write(`${(error instanceof Error ? error.stack : null) ?? String(error)}\n`)
    } finally {
      process.kill(process.pid, 'SIGKILL')
    }
  })
}

/** Leaves a shell behind that reads from this process until it is gone, however it ends, unless that was in order. */
function leaveWatcher(lastWords: string): void {
  const watcher = startProgram(
    'sh',
    ['-c', `read -r line; ${logCommand}`, 'pmfs2-watch', String(process.pid), ...messagesOf(lastWords)],
    {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      cwd: '/',
    },
  )
  // Without a shell nobody watches; all else goes on.
  if (watcher === null) return
  watcher.unref()
  process.on('exit', () => watcher.kill('SIGKILL'))
}

/** In the server: what went wrong, for the system log, if there is nobody else to tell. */
export function tellIfAlone(line: string): void {
  if (isAlone) logToSystem(line)
}

const systemLog = new SystemLog('err')
const systemNews = new SystemLog('info')

/** In the server: what is no fault, in lines for the system log, if there is nobody else to tell. */
export function logIfAlone(...lines: readonly string[]): void {
  if (isAlone) systemNews.log(...lines)
}

/**
 * In the server: reports what people should know while the mount goes on, to stderr or to the system log.
 */
export function tell(line: string): void {
  if (isAlone) systemLog.log(line)
  else process.stderr.write(`mount: ${line}\n`)
}
