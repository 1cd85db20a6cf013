// SPDX-License-Identifier: GPL-2.0-only
/** The processes of a group, as /proc shows them. */
import { readFileSync, readdirSync } from 'node:fs'

export interface GroupMember {
  readonly pid: number
  readonly command: string
}

/** All members but those that have ended and wait for their parent to notice. */
export function membersOf(group: number): GroupMember[] {
  const members: GroupMember[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const [, command, state, itsGroup] = /\((.*)\) (\S) \d+ (\d+)/s.exec(statOf(name)) ?? []
    if (Number(itsGroup) === group && state !== 'Z' && state !== 'X')
      members.push({ pid: Number(name), command: command! })
  }
  return members
}

/** @returns nothing for a process that has ended in between */
function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return ''
  }
}
