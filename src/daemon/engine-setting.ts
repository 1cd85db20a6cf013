// SPDX-License-Identifier: GPL-2.0-only
/** What engines of a mount are made with. */
import type { EngineSetting } from '../fs/engine-setting.js'
import type { DataMode } from '../fs/overwriting.js'
import type { Volume } from '../fs/volume.js'

export function engineSetting(volume: Volume, data: DataMode, strictAccessTimes: boolean): EngineSetting {
  return { ...volume.setting, isChecked: process.env['PMFS2_CHECKED'] === '1', data, strictAccessTimes }
}
