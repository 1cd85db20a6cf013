// SPDX-License-Identifier: GPL-2.0-only
/** Runs the command line as a person would, and looks at what it said and what it did to a device. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, openSync, readSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import type { Test } from 'tap'
import { crc32c } from '../../layout/checksum.js'
import { superblock as layout } from '../../layout/superblock.js'
import { rawCommand } from '../../src/native/raw-command.js'
import { commandClient } from '../support/command-client.js'
import { program as command } from '../support/program.js'
import { withoutRunner } from '../support/run-command.js'

export { program as command } from '../support/program.js'

const limitMs = 60_000

/** For a whole test file: each start of Node takes a while on a busy machine. */
export const fileLimitMs = 600_000

export interface Outcome {
  /** Exit code, or the name of the signal that ended it. */
  readonly end: number | string
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program, without the test runner in it, and collects what it prints. */
export async function start(
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Outcome> {
  const words = [...withoutRunner, program, ...args]
  const child = spawn('env', words, { stdio: ['ignore', 'pipe', 'pipe'], env: environment })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (part: Buffer) => (stdout += part.toString()))
  child.stderr.on('data', (part: Buffer) => (stderr += part.toString()))
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  clearTimeout(timer)
  return { end: code ?? signal ?? 'unknown', stdout, stderr }
}

/** Runs pmfs2-fuse in a process of its own. */
export function pmfs2Process(args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<Outcome> {
  const [file, words] = rawCommand(process.execPath, [command, ...args])
  return start(file, words, environment)
}

/** Runs pmfs2-fuse. */
export async function pmfs2(args: readonly string[]): Promise<Outcome> {
  if (!commandClient.canRun(args)) return pmfs2Process(args)
  const outcome = await commandClient.run(args, limitMs)
  if (outcome === null) return { end: 'SIGKILL', stdout: '', stderr: '' }
  const { end, stdout, stderr } = outcome
  return { end, stdout, stderr }
}

/** Runs pmfs2-fuse, which must succeed. @returns what it printed */
export async function succeed(t: Test, args: readonly string[]): Promise<string> {
  const { end, stdout, stderr } = await pmfs2(args)
  t.equal(end, 0, `${args.join(' ')}: exit code`)
  t.equal(stderr, '', `${args.join(' ')}: no complaint`)
  return stdout
}

/** Runs pmfs2-fuse, which must say exactly one line and end with `exitCode`. */
export async function refuse(
  t: Test,
  args: readonly string[],
  exitCode: number,
  line: string | RegExp,
): Promise<void> {
  const { end, stdout, stderr } = await pmfs2(args)
  const name = args.join(' ')
  t.equal(end, exitCode, `${name}: exit code`)
  t.equal(stdout, '', `${name}: nothing on stdout`)
  t.match(stderr, /^[^\n]+\n$/, `${name}: one line`)
  if (typeof line === 'string') t.equal(stderr.trimEnd(), line, `${name}: what it says`)
  else t.match(stderr, line, `${name}: what it says`)
}

/** As {@link refuse}; and the file or files are the same afterwards, to the byte. */
export async function refuseUntouched(
  t: Test,
  devices: string | readonly string[],
  args: readonly string[],
  exitCode: number,
  line: string | RegExp,
): Promise<void> {
  const all = () => [devices].flat().map((device) => fingerprint(device))
  const before = all()
  await refuse(t, args, exitCode, line)
  t.same(all(), before, `${args.join(' ')}: nothing is changed`)
}

/** Length and content. */
export function fingerprint(path: string): string {
  return fingerprintOfStart(path, Infinity)
}

/** Length, and content of the first `lengthBytes`: of a sparse file, the rest would take its time. */
export function fingerprintOfStart(path: string, lengthBytes: number): string {
  const hash = createHash('sha256')
  const piece = Buffer.alloc(2 ** 20)
  const fd = openSync(path, 'r')
  try {
    for (let left = lengthBytes, count = 1; left > 0 && count > 0; left -= count) {
      count = readSync(fd, piece, 0, Math.min(piece.length, left), null)
      hash.update(piece.subarray(0, count))
    }
  } finally {
    closeSync(fd)
  }
  return `${statSync(path).size} ${hash.digest('hex')}`
}

export const mebibyte = 2 ** 20
export const uuid = '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0'

/** A sparse file of zeros. */
export function sparseFile(path: string, lengthBytes: number): string {
  writeFileSync(path, '')
  truncateSync(path, lengthBytes)
  return path
}

/** Changes words of the superblock's copies on a device, with the right checksum after it. */
export function editSuperblocks(path: string, change: (words: Uint32Array) => void): void {
  for (const offset of [layout.lengthBytes, statSync(path).size - layout.lengthBytes]) {
    const bytes = readAt(path, offset, layout.lengthBytes)
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, layout.lengthWords)
    change(words)
    words[layout.word.checksum] = crc32c(bytes, 0, layout.lengthBytes, layout.word.checksum * 4)
    writeAt(path, offset, bytes)
  }
}

export function readAt(path: string, offset: number, lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes)
  const fd = openSync(path, 'r')
  readSync(fd, bytes, 0, lengthBytes, offset)
  closeSync(fd)
  return bytes
}

export function writeAt(path: string, offset: number, bytes: Uint8Array | string): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, Buffer.from(bytes), 0, undefined, offset)
  closeSync(fd)
}
