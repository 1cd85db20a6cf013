// SPDX-License-Identifier: GPL-2.0-only
/**
 * `--require-dax` holds for each device of a volume, and for those that join while it is mounted. Files stand for files
 * on a DAX mount. (test/vm has real ones.)
 */
import { copyFileSync, readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import tap, { type Test } from 'tap'
import { fingerprint, sparseFile } from '../cli/cli.js'
import { TestMount, pmfs2, preload, succeed } from '../support/test-mount.js'

tap.setTimeout(120_000)

const mebibyte = 2 ** 20

/** From now on, some files beside the devices of a volume, or some of these, are on DAX. */
async function putOnDax(t: Test, { folder }: TestMount, files: readonly string[]): Promise<void> {
  // Copies beside the devices would be looked at when the other devices of the volume are.
  const apart = join(folder, 'copies')
  await mkdir(apart)
  const copies = files.map((file) => join(apart, basename(file)))
  for (const [n, file] of files.entries()) copyFileSync(file, copies[n]!)
  preload(t, 'shadow/dax-server', `PMFS2_ON_DAX=${files.join(':')}`, `PMFS2_SHADOW=${copies.join(':')}`)
}

interface Staged {
  readonly mount: TestMount
  /** Files that may join: on DAX, and in RAM without it. */
  readonly direct: string
  readonly other: string
}

/** A volume on a file on DAX, not mounted. */
async function staged(t: Test): Promise<Staged> {
  const mount = await TestMount.makeOn(t, 16 * mebibyte)
  const [direct, other] = ['direct', 'other'].map((name) =>
    sparseFile(join(mount.folder, name), 8 * mebibyte),
  ) as [string, string]
  await putOnDax(t, mount, [mount.device, direct])
  return { mount, direct, other }
}

for (const place of [0, 1])
  void tap.test(`a volume of which only device ${place + 1} of 2 is mapped directly`, async (t) => {
    const mount = await TestMount.make(t, '16M', tmpdir(), 2)
    const { device, devices, mountpoint } = mount
    const [direct, other] = [devices[place]!, devices[1 - place]!]
    await putOnDax(t, mount, [direct])
    const before = devices.map(fingerprint)
    const { end, output } = await pmfs2([device, mountpoint, '--channel', 'devfuse', '--require-dax'])
    t.equal(end, 32, output)
    t.ok(output.startsWith(`mount: ${other} is a file `), `it is refused for the other one: ${output}`)
    t.match(output, /require_dax takes only what is mapped directly/)
    t.same(devices.map(fingerprint), before, 'not a byte of the devices has changed')

    const tellsApart = (said: string, what: string): void => {
      t.match(said, new RegExp(`${direct}[ ,].* mapped directly: .* once its cache lines are flushed`), what)
      t.match(said, new RegExp(`${other}[ ,].* mapped through the page cache: .* once fdatasync`), what)
    }
    tellsApart(await mount.mount('--channel', 'devfuse'), 'mount says what each is')
    tellsApart(await succeed('info', mountpoint), 'so does info')
    const remount = await pmfs2(['mount', device, mountpoint, '-o', 'remount,require_dax'])
    t.equal(remount.end, 1)
    t.match(remount.output, /require_dax cannot be changed by a remount/)
    await mount.unmount()
    t.match(await mount.check(), /clean/)
  })

void tap.test('require_dax refuses a device that joins and is not mapped directly', async (t) => {
  const { mount, direct, other } = await staged(t)
  const { device, mountpoint } = mount
  await mount.mount('--channel', 'devfuse', '--require-dax')
  const { pid } = await mount.report()
  const before = [device, direct, other].map(fingerprint)
  for (const added of [[other], [direct, other], [other, '--force', '--size', '4M']]) {
    const { end, output } = await pmfs2(['grow', mountpoint, ...added])
    t.equal(end, 1, output)
    t.equal(
      output,
      `grow: ${mountpoint}: ${other} is a file that lies in RAM (tmpfs); require_dax takes only what is mapped ` +
        'directly: devdax, or a file on a file system that is mounted with -o dax',
    )
    t.same(
      [device, direct, other].map(fingerprint),
      before,
      'neither the devices nor the volume have changed',
    )
    t.same((await mount.report()).devices, [device])
    t.notOk(readFileSync(`/proc/${pid}/maps`, 'utf8').includes(other), 'the server has let go of it')
  }
  t.match(await succeed('info', mountpoint), /size +16 MiB/)
  t.match(await succeed('grow', mountpoint, direct), /size +24 MiB.*\n +before +16 MiB/, 'another is taken')
  t.same((await mount.report()).devices, [device, direct])
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})

void tap.test('without it, the same device joins', async (t) => {
  const { mount, other } = await staged(t)
  await mount.mount('--channel', 'devfuse')
  t.match(await succeed('grow', mount.mountpoint, other), /size +24 MiB/)
  await mount.unmount()
  t.match(await mount.check(), /clean/)
})
