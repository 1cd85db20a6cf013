// SPDX-License-Identifier: GPL-2.0-only
/**
 * The helper that mount(8) runs, with arguments that it defines ("External helpers"):
 *
 *     mount.pmfs2 DEVICE DIRECTORY [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE.SUBTYPE]
 *
 * It translates these for the command `mount`.
 */
import { spawnSync } from 'node:child_process'
import { givenArguments } from '../native/file-name.js'
import { rawCommand } from '../native/raw-command.js'
import { withoutUnknown } from '../daemon/mount-options.js'
import { printNotice } from './output.js'
import { main } from './main.js'

const usageExit = 1
const systemExit = 2
const usage = 'mount.pmfs2 DEVICE DIRECTORY [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE]'

interface HelperArguments {
  readonly operands: readonly string[]
  readonly lists: readonly string[]
  /** Tolerate options that nobody knows. */
  readonly isSloppy: boolean
  /** Do all but the mount itself. */
  readonly isFake: boolean
  readonly namespace: string | null
}

/** @returns null where the arguments are not mount(8)'s */
export function parseHelperArguments(args: readonly string[]): HelperArguments | null {
  const operands: string[] = []
  const lists: string[] = []
  const switches = new Set<string>()
  let namespace: string | null = null
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!
    const value = args[at + 1]
    if (arg === '-o' || arg === '-N' || arg === '-t') {
      if (value === undefined) return null
      if (arg === '-o') lists.push(value)
      if (arg === '-N') namespace = value
      at++
    } else if (/^-[sfnv]+$/.test(arg)) for (const letter of arg.slice(1)) switches.add(letter)
    else if (arg.startsWith('-')) return null
    else operands.push(arg)
  }
  if (operands.length !== 2) return null
  return { operands, lists, isSloppy: switches.has('s'), isFake: switches.has('f'), namespace }
}

export async function mountHelper(args = givenArguments(process.argv.slice(2))): Promise<void> {
  const parsed = parseHelperArguments(args)
  if (parsed === null) {
    printNotice('mount.pmfs2', `the arguments are not those of mount(8): ${usage}`)
    process.exitCode = usageExit
    return
  }
  const { operands, lists, isSloppy, isFake, namespace } = parsed
  if (namespace !== null) {
    enterNamespace(namespace, args)
    return
  }
  const known = isSloppy ? lists.map(withoutUnknown) : lists
  const options = known.filter((list) => list !== '').flatMap((list) => ['-o', list])
  await main(['mount', ...(isFake ? ['--fake'] : []), ...options, '--', ...operands])
}

/** A process with threads cannot change its mount namespace (setns(2)), so nsenter(1) starts the helper there. */
function enterNamespace(namespace: string, args: readonly string[]): void {
  const at = args.indexOf('-N')
  const self = [process.execPath, process.argv[1]!, ...args.slice(0, at), ...args.slice(at + 2)]
  const { status, error } = spawnSync(...rawCommand('nsenter', [`--mount=${namespace}`, '--', ...self]), {
    stdio: 'inherit',
  })
  if (error !== undefined) printNotice('mount.pmfs2', `-N needs nsenter(1): ${error.message}`)
  process.exitCode = status ?? systemExit
}
