// SPDX-License-Identifier: GPL-2.0-only
/**
 * A mount namespace for a test. It begins with copies of all mounts, and a mount lives as long as any of its copies. So
 * those of tests that run at the same time are taken out of it first: their servers would not end otherwise.
 */

/** $0: the one mount point to keep; then the command. Places stand in the table with blanks as octal numbers. */
export const dropOthers = `
table=$(cat /proc/self/mountinfo)
while read -r _ _ _ _ place rest; do
  case $rest in *' - fuse.pmfs2 '*)
    place=$(printf "$place")
    [ "$place" = "$0" ] || umount -i -l "$place"
  esac
done <<END
$table
END
exec "$@"`

/** The command line that runs a command there. @param kept a mount point whose mount it has, too; '' for none */
export function withOwnMounts(kept: string, command: readonly string[]): [string, ...string[]] {
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', dropOthers, kept, ...command]
}
