// SPDX-License-Identifier: GPL-2.0-only
/**
 * Remounts of a mount under stress, by the kernel alone. While files are open for writing, the kernel refuses, and
 * their writers must not notice. When all are closed, the mount becomes read-only, refuses to write, and writes again
 * afterwards.
 */
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Finished, finish, withoutRunner } from '../support/run-command.js'
import { type TestMount, until } from '../support/test-mount.js'

const probe = 'remount-probe'

function remount({ mountpoint }: TestMount, option: 'ro' | 'rw'): Promise<Finished> {
  return finish('env', [...withoutRunner, 'mount', '-i', '-o', `remount,${option}`, mountpoint])
}

/** With files open for writing. @returns what is wrong, a sentence each */
export async function remountInUse(mount: TestMount): Promise<string[]> {
  const { end } = await remount(mount, 'ro')
  if (end !== 0) return []
  await remount(mount, 'rw')
  return ['the kernel remounted read-only although files are open for writing']
}

/** With no file open for writing. @returns what is wrong, a sentence each */
export async function remountBothWays(mount: TestMount): Promise<string[]> {
  let said = ''
  // The kernel counts a file that was removed while open until its RELEASE has been answered.
  const isReadOnly = await until(async () => {
    const { end, output } = await remount(mount, 'ro')
    said = output
    return end === 0
  })
  if (!isReadOnly) return [`remount,ro: ${said}`]
  const problems: string[] = []
  if (!(await until(() => isServed(mount, true)))) problems.push('the server does not follow remount,ro')
  readdirSync(mount.mountpoint)
  const refusal = write(mount)
  if (refusal !== 'EROFS') problems.push(`writing to a read-only mount gave ${refusal}`)
  const { end, output } = await remount(mount, 'rw')
  if (end !== 0) return [...problems, `remount,rw: ${output}`]
  if (!(await until(() => isServed(mount, false)))) problems.push('the server does not follow remount,rw')
  const outcome = write(mount)
  if (outcome !== 'OK') problems.push(`writing after remount,rw gave ${outcome}`)
  else rmSync(join(mount.mountpoint, probe))
  return problems
}

async function isServed(mount: TestMount, readOnly: boolean): Promise<boolean> {
  const { mode } = await mount.report()
  return mode.readOnly === readOnly && !mode.isChanging
}

function write({ mountpoint }: TestMount): string {
  try {
    writeFileSync(join(mountpoint, probe), probe)
    return 'OK'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}
