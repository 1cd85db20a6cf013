// SPDX-License-Identifier: GPL-2.0-only
/** What workers serve of a volume: an engine each, on a medium and a state that all of them share. */
import type { OpenedVolume } from '../api/opened-volume.js'
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
  readonly medium: MediumDescription
  readonly state: SharedStateDescription
}

export function engineFiles(setting: VolumeSetting): FilesSetting {
  return { module: null, setting }
}

/** For {@link NewMode.files}. */
export function newEngineFiles({ description, volume }: OpenedVolume, engine: EngineSetting): NewSetting {
  return { medium: description, state: volume.state.description, engine }
}

/** Called by the worker. @param worker its lane of the undo log */
export function openFiles(setting: VolumeSetting, worker: number, onDamage: DamageListener): ServedFiles {
  const medium = new MappedMedium(setting.medium)
  const engineOn = (state: SharedState, engine: EngineSetting) =>
    new Engine(new EngineParts(medium, state, engine, worker, onDamage))
  return {
    files: engineOn(SharedState.view(setting.state), setting.engine),
    memory: medium,
    forgets: null,
    fence: () => medium.settle(),
    anew: (setting) => {
      const { medium: description, state, engine } = setting as NewSetting
      medium.follow(description)
      return engineOn(SharedState.view(state), engine)
    },
    failure: () => medium.failure,
    release: () => medium.release(),
  }
}
