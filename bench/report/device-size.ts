// SPDX-License-Identifier: GPL-2.0-only
/**
 * What the size of a device costs (bench/device-size.ts), as a table for docs/design.md, and what must hold of it: that
 * 64 GiB stay below a limit, and that 1 TiB takes little more. Both are judged by medians. The start of Node is
 * subtracted from times: the median of all turns, as a single start differs by much of what mkfs takes.
 */
import { type Comparison, type Summary, compare, median, summarise } from '../statistics.js'
import {
  type Channel,
  type Size,
  type Turn,
  mostMegabytes,
  mostSeconds,
  mostTimes,
  sizeTitles,
  sizes,
} from '../workloads/device-sizes.js'
import { table } from './markdown-table.js'

type Unit = 's' | 'MB'

/** A row of the table. */
export interface Quantity {
  readonly title: string
  readonly unit: Unit
  /** What 64 GiB must stay below; undefined where nothing must hold. */
  readonly limit?: number
  /** The only one whose turns count; undefined: all do. */
  readonly channel?: Channel
  readonly of: (turn: Turn) => number
}

export interface Verdicts {
  readonly table: string
  readonly allHold: boolean
}

export function quantitiesOf(channels: readonly Channel[], turns: readonly Turn[]): readonly Quantity[] {
  const startSeconds = median(turns.map(({ nodeSeconds }) => nodeSeconds))
  return [
    { title: '`node -e 0`', unit: 's', of: (turn) => turn.nodeSeconds },
    { title: '`mkfs`', unit: 's', of: (turn) => turn.mkfs.seconds },
    beyondNode(startSeconds, '`mkfs`', { of: (turn) => turn.mkfs.seconds }),
    { title: 'memory of `mkfs`', unit: 'MB', limit: mostMegabytes, of: (turn) => turn.mkfs.megabytes },
    ...channels.flatMap((channel) => mountQuantities(startSeconds, channel)),
  ]
}

function mountQuantities(startSeconds: number, channel: Channel): readonly Quantity[] {
  const title = `mount over ${channel.title}`
  const seconds = { channel, of: (turn: Turn) => turn.mountSeconds }
  return [
    { title, unit: 's', ...seconds },
    beyondNode(startSeconds, title, seconds),
    {
      title: `memory of the server over ${channel.title}`,
      unit: 'MB',
      limit: mostMegabytes,
      channel,
      of: (turn) => turn.serverMegabytes,
    },
  ]
}

function beyondNode(
  startSeconds: number,
  title: string,
  seconds: Pick<Quantity, 'channel' | 'of'>,
): Quantity {
  return {
    ...seconds,
    title: `${title} beyond \`node -e 0\``,
    unit: 's',
    limit: mostSeconds,
    of: (turn) => seconds.of(turn) - startSeconds,
  }
}

/** Values by number of the turn. */
function valuesOf(
  { channel, of }: Quantity,
  turns: readonly Turn[],
  size: Size,
): ReadonlyMap<number, number> {
  const counted = turns.filter(
    (turn) => turn.size === size && (channel === undefined || turn.channel === channel),
  )
  return new Map(counted.map((turn) => [turn.number, of(turn)]))
}

/** 1 TiB over 64 GiB. */
function growthOf(quantity: Quantity, turns: readonly Turn[]): Comparison {
  const [small, large] = sizes.map((size) => valuesOf(quantity, turns, size))
  const growth = compare(large!, small!)
  if (growth === undefined) throw new RangeError(`${quantity.title}: nothing to compare`)
  return growth
}

function digitsOf(unit: Unit): number {
  return unit === 's' ? 2 : 0
}

function ranged(
  middle: number,
  { minimum, maximum }: Pick<Summary, 'minimum' | 'maximum'>,
  digits: number,
): string {
  return `${middle.toFixed(digits)} (${minimum.toFixed(digits)}–${maximum.toFixed(digits)})`
}

/** Medians with their range, and for what must hold the ratio of the sizes. */
export function figures(quantities: readonly Quantity[], turns: readonly Turn[]): string {
  const rows = quantities.map((quantity) => {
    const { title, unit, limit } = quantity
    const cells = sizes.map((size) => {
      const summary = summarise([...valuesOf(quantity, turns, size).values()])
      return ranged(summary.median, summary, digitsOf(unit))
    })
    if (limit === undefined) return [`${title}, ${unit}`, ...cells, '']
    const growth = growthOf(quantity, turns)
    return [`${title}, ${unit}`, ...cells, ranged(growth.ratio, growth, 2)]
  })
  const heads = ['median (least–greatest)', ...sizes.map((size) => sizeTitles[size])]
  return table([...heads, '1 TiB / 64 GiB'], rows)
}

export function verdicts(quantities: readonly Quantity[], turns: readonly Turn[]): Verdicts {
  const judged = quantities.flatMap((quantity) => {
    const { title, unit, limit } = quantity
    if (limit === undefined) return []
    const middle = median([...valuesOf(quantity, turns, '64G').values()])
    const { ratio } = growthOf(quantity, turns)
    return [
      {
        cells: [`${title}, 64 GiB`, `< ${limit} ${unit}`, `${middle.toFixed(digitsOf(unit))} ${unit}`],
        holds: middle < limit,
      },
      {
        cells: [`${title}, 1 TiB / 64 GiB`, `≤ ${mostTimes}`, ratio.toFixed(2)],
        holds: ratio <= mostTimes,
      },
    ]
  })
  const rows = judged.map(({ cells, holds }) => [...cells, holds ? 'yes' : 'no'])
  return {
    table: table(['must hold', 'limit', 'measured', 'holds'], rows),
    allHold: judged.every(({ holds }) => holds),
  }
}
