// SPDX-License-Identifier: GPL-2.0-only
/** Disk images: qemu-img makes, fills, converts, checks and measures them; holes stay holes. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { run } from '../support/run-command.js'
import { TestMount } from '../support/test-mount.js'
import { chosenChannel, comesBack, lacksHoles, patience } from './program-mount.js'

tap.setTimeout(300_000 * patience)

const limitMs = 100_000 * patience
const caches = ['none', 'writeback', 'directsync']

void tap.test('qemu-img', async (t) => {
  const mount = await TestMount.mounted(t, '2G', ...chosenChannel)
  const path = (name: string): string => join(mount.mountpoint, name)
  const qemu = (...args: readonly string[]): Promise<string> => run('qemu-img', args, limitMs)
  const io = (file: string, format: string, ...commands: readonly string[]): Promise<string> =>
    run('qemu-io', ['-f', format, ...commands.flatMap((command) => ['-c', command]), file], limitMs)

  await qemu('create', '-q', '-f', 'raw', path('raw'), '1G')
  t.ok((await stat(path('raw'))).blocks <= 8, 'a raw image is a hole but for the block that qemu-img tries')
  const writes = Array.from(
    { length: 40 },
    (_, n) => `write -P ${n + 1} ${n * 23_456_789 - ((n * 23_456_789) % 512)} 70k`,
  )
  await io(path('raw'), 'raw', ...writes, 'discard 100M 50M', 'write -z -u 300M 10M')
  const blocks = (await stat(path('raw'))).blocks
  t.ok(lacksHoles || blocks * 512 < 8 * 2 ** 20, `${blocks} sectors are allocated`)
  for (const cache of caches) {
    const [thin, back] = [path(`${cache}.qcow2`), path(`${cache}.raw`)]
    await qemu(
      'convert',
      '-t',
      cache,
      '-T',
      cache === 'directsync' ? 'none' : cache,
      '-O',
      'qcow2',
      path('raw'),
      thin,
    )
    await qemu('check', '-q', thin)
    await qemu('compare', '-q', path('raw'), thin)
    await qemu('convert', '-t', cache, '-O', 'raw', thin, back)
    await qemu('compare', '-q', '-f', 'raw', '-F', 'raw', path('raw'), back)
    t.ok((await stat(back)).blocks <= blocks + 2048, `through ${cache} and back, holes stay holes`)
    await qemu(
      'bench',
      '-q',
      '-f',
      'qcow2',
      '-t',
      cache,
      '-w',
      '-c',
      '2000',
      '-s',
      '4k',
      '-i',
      ...aioOf(cache),
      thin,
    )
    await qemu('check', '-q', thin)
  }
  for (const how of ['off', 'metadata', 'falloc', 'full']) {
    await qemu('create', '-q', '-f', 'qcow2', '-o', `preallocation=${how}`, path(`${how}.qcow2`), '64M')
    await io(
      path(`${how}.qcow2`),
      'qcow2',
      'read -P 0 0 64M',
      'write -P 7 5M 1M',
      'read -P 7 5M 1M',
      'read -P 0 6M 58M',
    )
    await qemu('check', '-q', path(`${how}.qcow2`))
    t.pass(`preallocation ${how}`)
  }
  await comesBack(t, mount, ...chosenChannel)
  for (const cache of caches) await qemu('check', '-q', path(`${cache}.qcow2`))
  await qemu('compare', '-q', '-f', 'raw', '-F', 'raw', path('raw'), path('none.raw'))
})

/** io_uring beside the page cache, Linux AIO past it. */
function aioOf(cache: string): string[] {
  return [cache === 'writeback' ? 'io_uring' : 'native']
}
