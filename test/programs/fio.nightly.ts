// SPDX-License-Identifier: GPL-2.0-only
/** fio writes with checksums and reads them back, by each of the ways in which Linux reads and writes. */
import tap from 'tap'
import { turnRingOn } from '../support/ring-switch.js'
import { run } from '../support/run-command.js'
import { TestMount } from '../support/test-mount.js'
import { chosenChannel, comesBack, lacksSharedMappings } from './program-mount.js'

tap.setTimeout(600_000)

const limitMs = 100_000
const ways: readonly (readonly string[])[] = [
  ['--ioengine=psync'],
  ['--ioengine=psync', '--direct=1'],
  ['--ioengine=libaio', '--iodepth=16', '--direct=1'],
  ['--ioengine=io_uring', '--iodepth=16'],
  ['--ioengine=io_uring', '--iodepth=16', '--direct=1'],
  ['--ioengine=mmap'],
]
const work = [
  '--size=64M',
  '--numjobs=2',
  '--rw=randrw',
  '--bsrange=512-64k',
  '--blockalign=512',
  '--group_reporting',
]
const verify = [
  '--verify=crc32c',
  '--verify_state_save=0',
  '--verify_fatal=1',
  '--verify_backlog=256',
  '--do_verify=1',
]

const usual = () => [
  ...[...new Set([turnRingOn(tap), 'devfuse'])].map((channel) => ['--channel', channel]),
  ['-o', 'direct_io'],
]
const allowed = ways.filter((way) => !lacksSharedMappings || !way.includes('--ioengine=mmap'))

for (const args of chosenChannel.length > 0 ? [chosenChannel] : usual()) {
  void tap.test(`fio on ${args.join(' ')}`, async (t) => {
    const mount = await TestMount.mounted(t, '1G', ...args)
    for (const [n, way] of allowed.entries()) {
      const names = [`--directory=${mount.mountpoint}`, `--name=way${n}`]
      await run('fio', [...names, ...way, ...work, ...verify, '--output-format=terse'], limitMs)
      t.pass(way.join(' '))
    }
    await comesBack(t, mount, ...args)
  })
}
