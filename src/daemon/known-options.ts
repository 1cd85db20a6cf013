// SPDX-License-Identifier: GPL-2.0-only
/**
 * Mount options that change nothing here. An option is accepted in silence only if what it asks for is the case anyway,
 * or if it is meant for another reader of /etc/fstab. Others are accepted with a notice, or refused with a reason.
 */

const accepted = new Set([
  'defaults',
  'default_permissions',
  // For mount(8), systemd and others who read /etc/fstab.
  'auto',
  'noauto',
  'nofail',
  'user',
  'users',
  'nouser',
  'nousers',
  'owner',
  'noowner',
  'group',
  'nogroup',
  '_netdev',
  'silent',
  'loud',
  'nomand',
  // Linux itself takes it for relatime.
  'norelatime',
  // lazytime allows times to reach the medium late. Here they are there at once.
  'lazytime',
  'nolazytime',
  // Each call is durable when it returns: no option for fewer guarantees needs to take one away.
  'barrier',
  'barrier=1',
  'barrier=0',
  'nobarrier',
  'data=ordered',
  'data=writeback',
  'nodiscard',
  'user_xattr',
  'noquota',
])
const acceptedPrefixes = ['x-', 'X-', 'comment=', 'user=', 'commit=']

const noticed: ReadonlyMap<string, string> = new Map([
  ['discard', 'discard has no effect: freed blocks are not given back to the device as they are freed'],
])

const noQuota = 'quotas are not supported'
const refused: ReadonlyMap<string, string> = new Map([
  ['errors=panic', 'errors=panic: a server cannot stop the kernel; use errors=remount-ro or errors=continue'],
  [
    'data=journal',
    'data=journal: file contents are not journalled; data=cow makes each write whole or not at all',
  ],
  ['usrquota', noQuota],
  ['grpquota', noQuota],
  ['prjquota', noQuota],
  ['quota', noQuota],
])

/** What the kernel shows of a mount over FUSE, which mount(8) hands back when it is to be remounted. */
const shownPrefixes = ['user_id=', 'group_id=', 'max_read=', 'blksize=', 'rootmode=', 'fd=']

export function isWithoutEffect(option: string): boolean {
  return accepted.has(option) || acceptedPrefixes.some((prefix) => option.startsWith(prefix))
}

/** What people should know about an option that is accepted all the same; null where there is nothing. */
export function noticeOn(option: string): string | null {
  return noticed.get(option) ?? null
}

/** Why an option is refused. */
export function refusalOf(option: string): string {
  return refused.get(option) ?? `unknown mount option ${option}`
}

export function isShownByKernel(option: string): boolean {
  return shownPrefixes.some((prefix) => option.startsWith(prefix))
}
