// SPDX-License-Identifier: GPL-2.0-only
/**
 * Sends the process a signal as soon as a file has got its room on the disk, for tests of what is undone then. Node
 * loads this file into a command before anything else.
 */
import { native } from '../../src/native/index.js'

const allocate = native.allocate.bind(native)
native.allocate = (...args) => {
  const result = allocate(...args)
  process.kill(process.pid, process.env['PMFS2_TEST_SIGNAL'])
  return result
}
