// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a device holds already, so that it is not overwritten by mistake. blkid(8) knows the signatures; it gets a copy
 * of the places where they lie, since it reads devices with read(2), which devdax does not have. The copy is a sparse
 * file in memory, as long as the device, so that what lies at the end is found there.
 */
import { spawnSync } from 'node:child_process'
import { closeSync, writeSync } from 'node:fs'
import { getSystemErrorName } from 'node:util'
import createDebug from 'debug'
import { native } from '../native/index.js'
import { adviceOn } from '../pmem/device-error.js'
import { CommandError } from './command-error.js'
import { visitEnds } from '../api/device-contents.js'
import type { ReadBytes } from '../api/device-reader.js'

const debug = createDebug('pmfs2:cli')

/** blkid(8): nothing was found; several things were found, which contradict each other. */
const exitNothing = 2
const exitAmbivalent = 8

export interface SignatureOptions {
  /** The program to ask. */
  readonly blkid?: string
  /** Is called for each block that cannot be read, in rising order. */
  readonly visitUnreadable?: (offsetBytes: number) => void
}

/**
 * What lies on the device, such as `an ext4 file system`; null if nothing is known.
 * @throws CommandError where it cannot tell
 */
export function findSignature(
  read: ReadBytes,
  sizeBytes: number,
  { blkid = 'blkid', visitUnreadable }: SignatureOptions = {},
): string | null {
  const fd = native.memoryFile('pmfs2-probe', sizeBytes)
  if (fd < 0) {
    const code = getSystemErrorName(fd)
    // The limit on the size of files applies to those in memory, too.
    const why =
      code === 'EFBIG'
        ? `they are looked for in a file of ${sizeBytes} bytes in memory, and this process may make none (ulimit -f)`
        : adviceOn(code)
    throw new CommandError(`no memory to look for signatures: ${why}`)
  }
  try {
    visitEnds(
      read,
      sizeBytes,
      (piece, offset) => writeSync(fd, piece, 0, piece.length, offset),
      visitUnreadable,
    )
    return probe(fd, blkid)
  } finally {
    closeSync(fd)
  }
}

function probe(fd: number, program: string): string | null {
  const blkid = spawnSync(program, ['-p', '-o', 'export', '/proc/self/fd/3'], {
    stdio: ['ignore', 'pipe', 'pipe', fd],
    encoding: 'utf8',
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' },
  })
  debug('blkid: %o %s %s', blkid.status, blkid.stdout, blkid.stderr)
  if (blkid.error !== undefined) {
    const why =
      'code' in blkid.error && blkid.error.code === 'ENOENT' ? 'is not installed' : blkid.error.message
    throw new CommandError(
      `blkid (of util-linux), which tells what a device holds, ${why}; --force does without`,
    )
  }
  if (blkid.status === exitNothing) return null
  if (blkid.status === exitAmbivalent) return 'several signatures at once (wipefs shows them)'
  if (blkid.status !== 0) {
    throw new CommandError(
      `blkid could not tell what it holds: ${blkid.stderr.trim() || 'no reason given'}; --force does without`,
    )
  }
  return describe(blkid.stdout)
}

/** @param output lines of NAME=value */
export function describe(output: string): string | null {
  const tags = new Map(
    output.split('\n').map((line) => [line.split('=')[0]!, line.slice(line.indexOf('=') + 1)]),
  )
  const type = tags.get('TYPE')
  if (type !== undefined) return describeType(type, tags.get('USAGE'))
  const table = tags.get('PTTYPE')
  return table === undefined ? null : `a partition table (${table})`
}

const others: Readonly<Record<string, string>> = {
  swap: 'swap space',
  swsuspend: 'a suspended system (swap space)',
  crypto_LUKS: 'a LUKS volume',
  LVM2_member: 'an LVM physical volume',
  LVM1_member: 'an LVM physical volume',
  linux_raid_member: 'a member of a RAID array',
}

function describeType(type: string, usage: string | undefined): string {
  const other = others[type]
  if (other !== undefined) return other
  const article = /^([aeio]|f2|hfs|hpfs|ntfs|xfs)/i.test(type) ? 'an' : 'a'
  return `${article} ${type} ${usage === 'filesystem' ? 'file system' : 'signature'}`
}
