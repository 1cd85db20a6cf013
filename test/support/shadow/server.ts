// SPDX-License-Identifier: GPL-2.0-only
/**
 * Node loads this file into a server before anything else. What becomes durable of the devices $PMFS2_SHADOWED goes to
 * the files $PMFS2_SHADOW as well, which began as copies of them: whenever the server is killed, the files hold what a
 * loss of power would have left at least. Both are lists of paths with a colon between two.
 */
import { carryWindows } from './carried-windows.js'
import { shadow } from './native.js'
import { fstatSync, openSync, statSync } from 'node:fs'

const { PMFS2_SHADOWED: devices = '', PMFS2_SHADOW: files = '', PMFS2_SHADOW_HOW: how } = process.env
const copies = files.split(':').map((file) => openSync(file, 'r+'))
const shadowed = devices.split(':').map((device) => statSync(device))

/** The descriptor of the file to carry to, if the device is one of those. */
function copyOf(fd: number): number | undefined {
  const { dev, ino } = fstatSync(fd)
  return copies[shadowed.findIndex((stats) => stats.dev === dev && stats.ino === ino)]
}

carryWindows(
  { copyOf, howOf: () => Number(how), keptBack: 0 },
  {
    punchHole(fd, offsetBytes, lengthBytes) {
      const copy = copyOf(fd)
      if (copy !== undefined) shadow.punchHole(copy, offsetBytes, lengthBytes)
      return shadow.punchHole(fd, offsetBytes, lengthBytes)
    },
  },
)
