// SPDX-License-Identifier: GPL-2.0-only
/**
 * What the size of a device costs (bench/device-size.ts), as tables for docs/design.md, and what must hold of it: that
 * 64 GiB stay below a limit, and that 1 TiB takes little more. Both are judged by medians. The start of Node is
 * subtracted from times: the median of all turns, as a single start differs by much of what mkfs takes.
 */
import { type Comparison, compare, median, summarise } from '../statistics.js'
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

export function ranged(values: readonly number[], unit: Unit): string {
  const { median, minimum, maximum } = summarise(values)
  const [middle, least, greatest] = [median, minimum, maximum].map((value) => value.toFixed(digitsOf(unit)))
  return `${middle!} (${least!}–${greatest!})`
}

/** Of one unit, medians with their range. Times are as they were taken, with the start of Node. */
export function figures(quantities: readonly Quantity[], turns: readonly Turn[], unit: Unit): string {
  const shown = quantities.filter((one) => one.unit === unit && (unit === 'MB' || one.limit === undefined))
  const rows = shown.map((quantity) => [
    quantity.title,
    ...sizes.map((size) => ranged([...valuesOf(quantity, turns, size).values()], unit)),
  ])
  return table([`${unit}: median (least–greatest)`, ...sizes.map((size) => sizeTitles[size])], rows)
}

/** How long Node takes to start. */
export function startOfNode(turns: readonly Turn[]): string {
  const seconds = turns.map(({ nodeSeconds }) => nodeSeconds)
  return `\`node -e 0\`: ${ranged(seconds, 's')} s`
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
