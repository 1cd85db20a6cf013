// SPDX-License-Identifier: GPL-2.0-only
/**
 * The server is killed while clients work: what they were told is done is there after the next mount, and the device
 * is clean. PMFS2_SEED repeats a run's choices, though not its timing.
 */
import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import tap, { type Test } from 'tap'
import { type Files, firstDifference, judge, readFiles, readJournal } from '../support/load-model.js'
import { Random, seed } from '../support/random.js'
import { type Finished, finish } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { TestMount, hasEnded, until, withoutRunner } from '../support/test-mount.js'

tap.setTimeout(180_000)

const client = fileURLToPath(new URL('../support/load-client.js', import.meta.url))
const clients = 3
/** How the server ends, round by round. */
const rounds: readonly NodeJS.Signals[] = ['SIGKILL', 'SIGKILL', 'SIGTERM', 'SIGKILL', 'SIGKILL']
const longestLoadMs = 1000
const clientLimitMs = 30_000
/** What a call on a mount says whose server has gone, before or while it was made; or that the mount itself has. */
const gone = ['ENOTCONN', 'ECONNABORTED', 'ECANCELED', 'ENOENT']

interface Round {
  readonly number: number
  readonly signal: NodeJS.Signals
  readonly loadMs: number
  readonly seeds: readonly number[]
}

function directoryOf(mount: TestMount, round: number, client: number): string {
  return join(mount.mountpoint, `round-${round}-client-${client}`)
}

async function isBegun(journal: string): Promise<boolean> {
  try {
    return (await stat(journal)).size > 0
  } catch {
    return false
  }
}

/** Lets the clients work until the server ends. @returns the journals' paths */
async function load(t: Test, mount: TestMount, journals: string, round: Round): Promise<readonly string[]> {
  const { number, signal } = round
  const paths = round.seeds.map((_, client) => join(journals, `round-${number}-client-${client}`))
  for (const n of round.seeds.keys()) await mkdir(directoryOf(mount, number, n))
  const running: Promise<Finished>[] = round.seeds.map((seed, n) => {
    const args = [client, directoryOf(mount, number, n), paths[n]!, `${seed}`]
    return finish('env', [...withoutRunner, process.execPath, ...args], clientLimitMs)
  })
  for (const path of paths) await until(() => isBegun(path))
  await sleep(round.loadMs)
  const { pid } = await mount.report()
  process.kill(pid, signal)
  t.ok(await hasEnded(pid), `${signal} ends the server`)
  for (const { end, output } of await Promise.all(running)) {
    t.ok(end === 0 && gone.includes(output), `a client hears ${output}`)
  }
  await mount.cutOff()
  return paths
}

void tap.test(`clients work while the server ends, seed ${seed}`, async (t) => {
  const random = new Random(seed)
  const mount = await TestMount.make(t, '256M')
  const journals = await temporaryDirectory(t)
  /** What was found in each directory after its round: nothing may change it later. */
  const settled = new Map<string, Files>()
  let calls = 0

  for (const [number, signal] of rounds.entries()) {
    await t.test(`round ${number}, ${signal}`, async (t) => {
      const seeds = Array.from({ length: clients }, () => random.below(2 ** 31))
      const loadMs = random.below(longestLoadMs)
      await mount.mount()
      const paths = await load(t, mount, journals, { number, signal, loadMs, seeds })
      t.match(await mount.check(), /: clean,/, 'as the server left it, but for what is in flight')

      const said = await mount.mount()
      const recovered = /recovery undid \d+ unfinished/.exec(said)?.[0] ?? 'recovery had nothing to undo'
      for (const [n, path] of paths.entries()) {
        const journal = readJournal(path)
        calls += journal.done.length
        const found = await readFiles(directoryOf(mount, number, n))
        t.equal(judge(found, journal), null, `client ${n}: ${journal.done.length} calls are there`)
        settled.set(directoryOf(mount, number, n), found)
      }
      for (const [directory, files] of settled) {
        const difference = firstDifference(await readFiles(directory), files)
        if (difference !== null) t.fail(`${directory}: ${difference}`)
      }
      t.comment(`after ${loadMs} ms: ${recovered}`)
      await mount.unmount()
      t.match(await mount.check(), /: clean,/, 'after recovery')
    })
  }
  t.comment(`${calls} calls were acknowledged`)
})
