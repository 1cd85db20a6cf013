// SPDX-License-Identifier: GPL-2.0-only
/** What a server says of itself, and how whoever hears it makes sure that it is one. */

export interface DaemonReport {
  readonly pid: number
  readonly device: string
  readonly mountpoint: string
  readonly channel: string
  readonly workers: number
  readonly startedAt: string
  /** Requests served, by the protocol's names. */
  readonly requests: Readonly<Record<string, number>>
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Calls that met damage on the volume since it was mounted, and the first places where they did. */
  readonly damageMet: number
  readonly damagedPlaces: readonly string[]
}

const texts = ['device', 'mountpoint', 'channel', 'startedAt'] as const
const counts = ['pid', 'workers', 'bytesRead', 'bytesWritten', 'damageMet'] as const
/** What a server of before does not tell. */
const unsaid = { damageMet: 0, damagedPlaces: [] } as const

/** @returns null where the text is no report */
export function parseReport(text: string): DaemonReport | null {
  const said = parseObject(text)
  if (said === null) return null
  const value: Record<string, unknown> = { ...unsaid, ...said }
  const requests = value['requests']
  const places = value['damagedPlaces']
  const isReport =
    texts.every((name) => typeof value[name] === 'string') &&
    counts.every((name) => isCount(value[name])) &&
    typeof requests === 'object' &&
    requests !== null &&
    Object.values(requests).every(isCount) &&
    Array.isArray(places) &&
    places.every((place) => typeof place === 'string')
  return isReport ? (value as unknown as DaemonReport) : null
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' ? (value as Record<string, unknown> | null) : null
  } catch {
    return null
  }
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && value >= 0
}
