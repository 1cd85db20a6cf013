// SPDX-License-Identifier: GPL-2.0-only
/**
 * A mount on a machine with two NUMA nodes and a device on each. In namespaces of the test's own, folders with such a
 * topology lie over those of /sys. What is still mounted there, and served, ends with them.
 */
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import tap, { type Test } from 'tap'
import { allowedCpus } from '../../src/daemon/processors.js'
import { withOwnMounts } from '../support/own-mounts.js'
import { finish, withoutRunner } from '../support/run-command.js'
import { SmallDisk } from '../support/small-disk.js'
import { packageRoot, succeed } from '../support/test-mount.js'

tap.setTimeout(240_000)

const mebibyte = 2 ** 20

const script = `
first=$1 second=$2 cpu=$3 folder=$4 pmfs2=$5
mount --bind "$folder/nodes" /sys/devices/system/node
for device in "$first" "$second"; do
  mount --bind "$folder/\${device##*/}" "$(realpath "/sys/class/block/\${device##*/}")"
done
"$pmfs2" mount "$first" "$folder/mount" --channel devfuse --cpus "$cpu"
"$pmfs2" info "$first"
dd if=/dev/zero of="$folder/mount/file" bs=64K count=32 status=none
for mode in ro rw; do "$pmfs2" mount "$first" "$folder/mount" -o remount,$mode; done
dd if=/dev/zero of="$folder/mount/other" bs=64K count=32 status=none
"$pmfs2" umount "$folder/mount"
`

void tap.test('blocks come from the device on the node of the worker, also after a remount', async (t) => {
  const { folder, loops } = await topology(t)
  const [first, second] = loops
  await succeed('mkfs', first.device, second.device)
  const before = loops.map(({ file }) => statSync(file).blocks * 512)
  const args = [first.device, second.device, `${cpu}`, folder, join(packageRoot, 'bin', 'pmfs2-fuse.js')]
  const ownProcesses = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child']
  const command = withOwnMounts('', [...ownProcesses, 'sh', '-ec', script, 'sh', ...args])
  const { end, output } = await finish('env', [...withoutRunner, ...command], 180_000)
  t.equal(end, 0, output)
  t.match(output, new RegExp(`1: ${first.device}, 16 MiB, NUMA node 0, `))
  t.match(output, new RegExp(`2: ${second.device}, 16 MiB, NUMA node 1, `))
  const [onFirst, onSecond] = loops.map(({ file }, n) => statSync(file).blocks * 512 - before[n]!)
  t.ok(onSecond! >= 4 * mebibyte, `${onSecond} bytes on the near device`)
  t.ok(onFirst! < mebibyte, `${onFirst} bytes on the far device`)
})

const [cpu] = allowedCpus() as [number]

interface Loop {
  readonly device: string
  readonly file: string
}

/** Two loop devices on two nodes, and the processor on the second one. */
async function topology(t: Test): Promise<{ folder: string; loops: readonly [Loop, Loop] }> {
  const disk = await SmallDisk.make(t, 64 * mebibyte)
  const { folder } = disk
  const write = (path: string, text: string): void => {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), `${text}\n`)
  }
  const loopOn = (node: number): Loop => {
    const name = `device-${node}`
    const device = disk.loop(t, name, 16 * mebibyte)
    const file = join(folder, name)
    write(`${basename(device)}/numa_node`, `${node}`)
    write(`${basename(device)}/loop/backing_file`, file)
    write(`${basename(device)}/ro`, '0')
    return { device, file }
  }
  write('nodes/node0/cpulist', '')
  write('nodes/node1/cpulist', `${cpu}`)
  mkdirSync(join(folder, 'mount'))
  return { folder, loops: [loopOn(0), loopOn(1)] }
}
