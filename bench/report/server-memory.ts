// SPDX-License-Identifier: GPL-2.0-only
/** Memory of servers by the number of their workers (bench/device-size.ts --workers): a table of docs/design.md. */
import { median } from '../statistics.js'
import { type Channel, type Size, type Turn, sizeTitles } from '../workloads/device-sizes.js'
import { table } from './markdown-table.js'

const bytesPerMegabyte = 1e6
const bytesPerMebibyte = 2 ** 20
/** Where no server had as many workers. */
const nothing = '–'

const measures: readonly {
  readonly title: string
  readonly size: Size
  readonly of: (turn: Turn) => number
}[] = [
  { title: 'PSS', size: '1G', of: (turn) => turn.idleMegabytes },
  { title: '`VmHWM`', size: '64G', of: (turn) => turn.serverMegabytes },
  { title: '`VmHWM`', size: '1T', of: (turn) => turn.serverMegabytes },
]

/** Medians, in MiB. @param channels each with each number of workers */
export function memoryTable(channels: readonly Channel[], turns: readonly Turn[]): string {
  const counts = [...new Set(channels.map(({ workers }) => workers!))].sort((one, other) => one - other)
  const titles = [...new Set(channels.map(({ title }) => title))]
  const rows = titles.flatMap((title) =>
    measures.map((measure) => [
      `${measure.title}, ${sizeTitles[measure.size]}, ${title}`,
      ...counts.map((count) => {
        const counted = turns.filter(
          ({ size, channel, workers }) =>
            size === measure.size &&
            channel.title === title &&
            channel.workers === count &&
            workers === count,
        )
        if (counted.length === 0) return nothing
        const mebibytes = (median(counted.map(measure.of)) * bytesPerMegabyte) / bytesPerMebibyte
        return mebibytes.toFixed(0)
      }),
    ]),
  )
  const heads = counts.map((count) => (count === 1 ? '1 worker' : `${count} workers`))
  return table(['MiB', ...heads], rows)
}
