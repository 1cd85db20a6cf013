// SPDX-License-Identifier: GPL-2.0-only
/** What engines of a mount are made with. */
import type { EngineSetting } from '../fs/engine-setting.js'
import type { Volume } from '../fs/volume.js'
import type { MountOptions } from './mount-options.js'

type EngineOptions = Pick<MountOptions, 'acls' | 'data' | 'strictAccessTimes'>

/** @param localSegments as {@link EngineSetting.localSegments} */
export function engineSetting(
  volume: Volume,
  { acls, data, strictAccessTimes }: EngineOptions,
  localSegments: EngineSetting['localSegments'],
): EngineSetting {
  return {
    ...volume.setting,
    localSegments,
    isChecked: process.env['PMFS2_CHECKED'] === '1',
    hasAcls: acls,
    data,
    strictAccessTimes,
  }
}
