// SPDX-License-Identifier: GPL-2.0-only
/** A folder that goes with this process, in whatever way that ends, and with it what is mounted below it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { makeTemporary, SHARED_MEMORY, type TearsDown } from '../support/temporary.js'

/** Waits for the end of its input, which comes with our end. */
const script = `
cat >/dev/null
findmnt -rno TARGET | grep -F "$1/" | tac | while read -r place; do umount -l "$place"; done
losetup -nlO NAME,BACK-FILE | while read -r name file; do
  case $file in "$1"/*) losetup -d "$name" ;; esac
done
rm -rf "$1"`

/** A new one in shared memory, which is removed at the end of `t`. */
export async function sweptFolder(t: TearsDown): Promise<string> {
  const folder = await makeTemporary(SHARED_MEMORY)
  const child = spawn('sh', ['-c', script, 'sweep', folder], {
    stdio: ['pipe', 'ignore', 'inherit'],
    detached: true,
  })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.stdin.end()
    await ended
  })
  return folder
}
