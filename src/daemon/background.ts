// SPDX-License-Identifier: GPL-2.0-only
/**
 * Going to the background: the caller starts the server as a process of its own, passes on what it prints, waits until
 * the mount is live, and leaves it alone. A server that fails before has said why, and its exit code is the caller's;
 * one that fails afterwards tells the system log.
 */
import { spawn } from 'node:child_process'
import { SystemLog, logToSystem } from './system-log.js'

const exitKilled = 32

export interface StartResult {
  /** 0 once the mount is live. */
  readonly exitCode: number
  /** The signal that ended a server which had not said why. */
  readonly signal: NodeJS.Signals | null
}

/** Starts `args` of this program in a session of its own, and waits until the mount is live or has failed. */
export async function startInBackground(program: string, args: readonly string[]): Promise<StartResult> {
  const child = spawn(process.execPath, [program, ...args], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    cwd: '/',
  })
  child.stderr!.pipe(process.stderr, { end: false })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('message', () => {
      child.disconnect()
      child.stderr!.destroy()
      child.unref()
      resolve({ exitCode: 0, signal: null })
    })
    child.on('close', (code, signal) => resolve({ exitCode: code ?? exitKilled, signal }))
  })
}

let isAlone = false

/** In the server: lets go of whoever started it in the background, if anybody did. */
export function leaveStarter(): void {
  if (process.send === undefined) return
  // Nobody reads this process's messages any more.
  process.stderr.on('error', () => undefined)
  process.send('live')
  isAlone = true
  process.on('uncaughtExceptionMonitor', (error) => tellIfAlone(`it ended on ${String(error)}`))
}

/** In the server: what went wrong, for the system log, if there is nobody else to tell. */
export function tellIfAlone(line: string): void {
  if (isAlone) logToSystem(line)
}

const systemLog = new SystemLog()

/** In the server: what people should know though the mount goes on; to whoever reads its messages, or to the system log. */
export function tell(line: string): void {
  if (isAlone) systemLog.log(line)
  else process.stderr.write(`mount: ${line}\n`)
}
