// SPDX-License-Identifier: GPL-2.0-only
/** What the files of bin/ run. */
export { main } from './main.js'
export { mountHelper } from './mount-helper.js'
