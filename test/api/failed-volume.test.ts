// SPDX-License-Identifier: GPL-2.0-only
/** A device that does not take a store: the call fails, later ones too, and the volume is not left as a clean one. */
import { join } from 'node:path'
import { test } from 'tap'
import { stateClean, superblock as layout } from '../../layout/superblock.js'
import { openVolume } from '../../src/api/opened-volume.js'
import { openFiles } from '../../src/api/volume-files.js'
import { MappedMedium } from '../../src/pmem/mapped-medium.js'
import { PmemError } from '../../src/pmem/pmem-error.js'
import { sparseFile } from '../cli/cli.js'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { formattedDevice, memoryDevice, problemsOn } from './formatted-device.js'

/**
 * Lets fences fail from the `n`th on, as fdatasync(2) does on an I/O error.
 * @param isMeant whether it is a medium of which they fail
 * @returns what mends them
 */
function failFrom(n: number, isMeant: (medium: MappedMedium) => boolean = () => true): () => void {
  const prototype = MappedMedium.prototype
  const whole = Object.getOwnPropertyDescriptor(prototype, 'fence')!
  const fence = whole.value as (this: MappedMedium) => void
  let left = n
  prototype.fence = function () {
    if (isMeant(this) && --left <= 0) throw new PmemError('the medium did not take a store', -5)
    fence.call(this)
  }
  return () => Object.defineProperty(prototype, 'fence', whole)
}

for (const n of [1, 2]) {
  void test(`fence ${n} of a call fails`, async (t) => {
    const device = formattedDevice(t, 2 ** 22)
    const volume = await openFiles(device)
    await volume.writeFile('/file', 'kept')
    const handle = await volume.open('/file', 'r+')
    const mend = failFrom(n)
    await t.rejects(volume.mkdir('/new'), { name: 'PmemError', code: 'EIO' })
    mend()
    await t.rejects(volume.readFile('/file'), { code: 'EIO', cause: { name: 'PmemError' } })
    await t.rejects(volume.mkdir('/other'), { code: 'EIO' })
    await t.rejects(handle.write('x'), { code: 'EIO' })
    await handle.close()
    await volume.close()
    await volume.close()
    await t.rejects(volume.readFile('/file'), { code: 'EBADF' })

    const again = openVolume(device, false, { unmarked: true })
    t.not(again.volume.superblock.get(layout.word.state), stateClean)
    again.close()
    const recovered = await openFiles(device)
    t.equal(await recovered.readFile('/file', 'utf8'), 'kept')
    t.same(
      (await recovered.readdir('/')).filter((name) => name !== 'new'),
      ['file'],
    )
    await recovered.close()
    t.same(problemsOn(device), [])
  })
}

void test('a volume whose own device does not take a store while it grows has failed', async (t) => {
  const folder = await temporaryDirectory(t, SHARED_MEMORY)
  // What joins is stored to by a medium of its own, without the first window.
  const isOwn = ({ windows }: MappedMedium): boolean => windows[0] !== 0
  let failed = 0
  for (let isGrown = false; !isGrown;) {
    const opened = openVolume(memoryDevice(t, 2 ** 22), false)
    const further = opened.openFurther([sparseFile(join(folder, `added ${failed}`), 2 ** 21)])
    const growth = opened.beginGrowth(further)!
    const mend = failFrom(failed + 1, isOwn)
    try {
      growth.complete()
      isGrown = true
    } catch (error) {
      t.match(error, { name: 'PmemError', code: 'EIO' })
      t.ok(opened.volume.state.isFailed, `fence ${++failed}`)
    } finally {
      mend()
    }
    growth.release()
    further.close()
    opened.abandon()
  }
  t.ok(failed > 3, 'each copy of the superblock is written twice')
})
