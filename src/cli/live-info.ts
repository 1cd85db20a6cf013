// SPDX-License-Identifier: GPL-2.0-only
/** What is known of a volume only while it is mounted: how full it is, and what its server says. */
import { shownText } from '../check/name-text.js'
import type { HeardReport, Usage } from '../daemon/daemon-report.js'
import type { ServerState } from '../daemon/server-state.js'
import { counted } from '../fs/counted.js'
import type { Row } from './output.js'
import { formatSize } from './size.js'

const mostPlacesShown = 5

/** Names and values for people. */
export function liveRows(server: ServerState): Row[] {
  if (server.state === 'answers') {
    const { usage } = server.report
    return [...(usage === null ? [] : usageRows(usage)), ...serverRows(server.report)]
  }
  if (server.state === 'dead') return [['server', 'has died']]
  const process = server.pid === null ? '' : `process ${server.pid}, `
  return [['server', `${process}${server.isStopped ? 'stopped, ' : ''}does not answer`]]
}

function usageRows({ usedBytes, totalBytes, usedInodes, freeInodes }: Usage): Row[] {
  const share = totalBytes === 0 ? 0 : Math.round((usedBytes / totalBytes) * 100)
  return [
    ['used', `${formatSize(usedBytes)} of ${formatSize(totalBytes)} (${share} %)`],
    ['inodes', `${usedInodes} used, ${freeInodes} free`],
  ]
}

function serverRows({
  pid,
  channel,
  data,
  mapper,
  workers,
  startedAt,
  requests,
  bytesRead,
  bytesWritten,
  damageMet,
  damagedPlaces,
  mode,
}: HeardReport): Row[] {
  const process = pid === null ? 'a process in another PID namespace' : `process ${pid}`
  const total = Object.values(requests).reduce((sum, count) => sum + count, 0)
  const kinds = Object.entries(requests)
    .filter(([, count]) => count > 0)
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, count]) => `${shownText(name)} ${count}`)
  return [
    [
      'server',
      `${process}, ${counted(workers, 'worker')}, ${shownText(channel)}, since ${shownText(startedAt)}`,
    ],
    ['writes', writesText(data, mode.writebackCache)],
    ...(mapper === 'native'
      ? []
      : [['mapped', `by ${shownText(mapper)} (mapper=${shownText(mapper)})`] as const]),
    ...modeRows(mode),
    ['requests', `${total}${kinds.length === 0 ? '' : `: ${kinds.join(', ')}`}`],
    ['data', `${formatSize(bytesRead)} read, ${formatSize(bytesWritten)} written`],
    ...damageRows(damageMet, damagedPlaces),
  ]
}

function writesText(data: string, gathers: boolean): string {
  const how = data === 'cow' ? 'copy-on-write (data=cow)' : `in place (data=${shownText(data)})`
  return gathers ? `${how}; the kernel gathers buffered ones until fsync or close (writeback_cache)` : how
}

/** Nothing where it may be written. */
function modeRows({ readOnly, refusal }: HeardReport['mode']): Row[] {
  if (!readOnly) return []
  return [['mode', refusal === null ? 'read-only' : `read-only: ${shownText(refusal)}`]]
}

/** Nothing where no damage was met. */
function damageRows(count: number, places: readonly string[]): Row[] {
  if (count === 0) return []
  const told = places.slice(0, mostPlacesShown).map((place): Row => ['', shownText(place)])
  const more = places.length - told.length
  return [
    ['damage', `met by ${count} ${count === 1 ? 'call' : 'calls'} since it was mounted:`],
    ...told,
    ...(more > 0 ? [['', `and ${more} more places (--json shows them)`] as const] : []),
  ]
}
