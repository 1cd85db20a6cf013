// SPDX-License-Identifier: GPL-2.0-only
/** What workers serve of a volume: an engine each, on a medium and a state that all of them share. */
import type { DamageListener } from '../fs/damage.js'
import { Engine } from '../fs/engine.js'
import { EngineParts } from '../fs/engine-parts.js'
import type { EngineSetting } from '../fs/engine-setting.js'
import { SharedState, type SharedStateDescription } from '../fs/shared-state.js'
import { MappedMedium, type MediumDescription } from '../pmem/mapped-medium.js'
import type { FilesSetting, ServedFiles } from './worker-messages.js'

interface VolumeSetting {
  readonly medium: MediumDescription
  readonly state: SharedStateDescription
  readonly engine: EngineSetting
}

/** What changes while no worker serves. */
interface NewSetting {
  readonly engine: EngineSetting
  readonly devices: MediumDescription['devices']
}

export function engineFiles(setting: VolumeSetting): FilesSetting {
  return { module: import.meta.url, setting }
}

/** For {@link NewMode.files}. */
export function newEngineFiles({ devices }: MediumDescription, engine: EngineSetting): NewSetting {
  return { devices, engine }
}

/** Called by the worker. @param worker its lane of the undo log */
export function openFiles(setting: VolumeSetting, worker: number, onDamage: DamageListener): ServedFiles {
  const medium = new MappedMedium(setting.medium)
  const state = SharedState.view(setting.state)
  const engineWith = (engine: EngineSetting) =>
    new Engine(new EngineParts(medium, state, engine, worker, onDamage))
  return {
    files: engineWith(setting.engine),
    memory: medium,
    forgets: null,
    fence: () => medium.fence(),
    anew: (setting) => {
      const { devices, engine } = setting as NewSetting
      medium.replaceDevices(devices)
      return engineWith(engine)
    },
    failure: () => medium.failure,
    release: () => medium.release(),
  }
}
