// SPDX-License-Identifier: GPL-2.0-only
import { DeviceError, adviceOn, codeOf } from '../pmem/device-error.js'

/** Nothing is there, or nothing is behind it: that is no failure to look at it. */
const absent: ReadonlySet<string> = new Set(['ENOENT', 'ENXIO', 'ENODEV', 'ENOMEDIUM'])

/** So many are named; somebody who is not root may read none of the machine's. */
const mostNamed = 3

/** What a search could not look at: what is missing may be among it. */
export class UnseenDevices {
  /** By the errno's name. */
  readonly #paths = new Map<string, string[]>()

  /** @param error that opening or reading it threw */
  add(path: string, error: unknown): void {
    const code = codeOf(error)
    // A device that is empty, or no device: nobody looks for it.
    const isNone = error instanceof DeviceError && code === 'EINVAL'
    if (isNone || absent.has(code)) return
    const paths = this.#paths.get(code) ?? []
    if (!paths.includes(path)) this.#paths.set(code, [...paths, path])
  }

  /** To follow a line about what was not found; '' where all was looked at. */
  get text(): string {
    const parts = [...this.#paths].map(([code, paths]) => {
      const more = paths.length - mostNamed
      const named = paths.slice(0, mostNamed).join(', ') + (more > 0 ? ` and ${more} more` : '')
      return `; ${named} could not be looked at: ${reasonOf(code)}`
    })
    return parts.join('')
  }
}

/** A container may have nodes of devices that it may not open (cgroups(7)), which is EPERM to root, too. */
function reasonOf(code: string): string {
  return code === 'EPERM' ? 'not permitted' : adviceOn(code)
}
