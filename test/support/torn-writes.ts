// SPDX-License-Identifier: GPL-2.0-only
/**
 * What a power cut may leave of a write over the end of a file. Whoever judges contents after one (a client of a server
 * that was killed, and test/vm/guest/power-load.py) is held to these.
 */
export const before = 'aaaaaaaabbbbbbbbcccc'
export const after = 'AAAAAAAABBBBBBBBCCCCdddd'

/** Contents, whether they may be left, and what they are. */
export const tornWrites: readonly (readonly [string, boolean, string])[] = [
  [before, true, 'nothing'],
  [after, true, 'all'],
  [`${before}dd`, true, 'a size of one request of several, whose data is there'],
  ['AAAAAAAAbbbbbbbbCCCC', true, 'eight bytes each, old or new'],
  ['AAAAaaaabbbbbbbbcccc', false, 'a part of eight bytes'],
  [`${before}\0\0`, false, 'a size without its data'],
  [`${after}d`, false, 'more than all'],
  [before.slice(1), false, 'less than before'],
]
