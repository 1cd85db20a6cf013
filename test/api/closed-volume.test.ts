// SPDX-License-Identifier: GPL-2.0-only
/** What a closed volume leaves behind in a process that keeps it: of its addresses, at most the window it touched. */
import { readFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'tap'
import { type VolumeFiles, openFiles } from '../../src/api/volume-files.js'
import { memoryDevice } from './formatted-device.js'

const gibibyte = 2 ** 30
const sizeBytes = 64 * gibibyte

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Addresses that this process has taken, in bytes. */
function takenBytes(): number {
  const [, kibibytes] = /^VmSize:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))!
  return Number(kibibytes) * 1024
}

void test('most addresses of closed volumes are given back while the program keeps them', async (t) => {
  const device = memoryDevice(t, sizeBytes)
  collect()
  const before = takenBytes()
  const kept: VolumeFiles[] = []
  for (let n = 0; n < 20; n++) {
    const volume = await openFiles(device)
    await volume.writeFile('/file', `${n}`)
    await volume.close()
    kept.push(volume)
    collect()
    await setImmediate()
  }
  collect()
  t.ok(takenBytes() - before < kept.length * 2 * gibibyte, `${kept.length} volumes of 64 GiB each`)
})
