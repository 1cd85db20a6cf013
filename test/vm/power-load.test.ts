// SPDX-License-Identifier: GPL-2.0-only
/** The judgement of power cuts (guest/power-load.py) notices what is lost, and accepts what was done. */
import { readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { finish } from '../support/run-command.js'
import { TestMount, packageRoot } from '../support/test-mount.js'
import { after, before, tornWrites } from '../support/torn-writes.js'

const script = join(packageRoot, 'test/vm/guest/power-load.py')
const seed = '7'
const workers = 2
const operations = 400
const wordBytes = 8
const channel = ['--channel', 'devfuse']

function call(what: string, mount: TestMount, told: string, ...more: readonly string[]) {
  return finish('python3', [script, what, '0', seed, String(workers), told, mount.mountpoint, ...more])
}

void tap.test('power-load.py', async (t) => {
  const mount = await TestMount.mounted(t, '128M', ...channel)
  const told = join(mount.folder, 'told')
  await writeFile(told, Buffer.alloc(workers * wordBytes))
  const loaded = await call('load', mount, told, '--operations', String(operations))
  t.equal(loaded.end, 0, loaded.output)
  const counts = await readFile(told)
  t.equal(counts.readBigUInt64LE(0), BigInt(operations), 'each operation is counted')

  const judge = async () => (await call('judge', mount, told)).output
  t.match(await judge(), /^ok 1 .*\nok 2 .*\n1\.\.2$/m, 'all that was done is there')
  await mount.kill()
  await mount.mount(...channel)
  t.match(await judge(), /^ok 1 .*\nok 2 /m, 'and after the death of the server')

  counts.writeBigUInt64LE(BigInt(operations - 1), 0)
  await writeFile(told, counts)
  t.match(await judge(), /^ok 1 /m, 'the operation after the last one may have been done')
  for (const count of [operations + 12, operations - 12]) {
    counts.writeBigUInt64LE(BigInt(count), 0)
    await writeFile(told, counts)
    t.match(await judge(), /^not ok 1 .*\n# .*\nok 2 /m, `${count} operations were not done`)
  }
  counts.writeBigUInt64LE(BigInt(operations), 0)
  await writeFile(told, counts)

  const shared = join(mount.mountpoint, 'round-0/shared')
  const names = (await readdir(shared)).filter((name) => name.startsWith('0-'))
  t.ok(names.length > 0)
  const path = join(shared, names[0]!)
  await rename(path, `${path}-elsewhere`)
  t.match(await judge(), /^not ok 1 .*\n# shared\/0-\d+ is missing/m, 'a name is missing')
  await rename(`${path}-elsewhere`, path)
  t.match(await judge(), /^ok 1 /m)
  await rm(join(mount.mountpoint, 'round-0/worker-1'), { recursive: true })
  t.match(await judge(), /^ok 1 .*\nnot ok 2 /m, 'a directory is missing')
})

/** Says of each contents whether a power cut may leave them of a write to a file. */
const judgeWrite = `
import importlib.util, sys
spec = importlib.util.spec_from_file_location("load", sys.argv[1])
load = importlib.util.module_from_spec(spec)
spec.loader.exec_module(load)
state = lambda data: {"file": ("file", 0o644, 1, None, data, {})}
before, after = sys.argv[2].encode(), sys.argv[3].encode()
for found in sys.argv[4:]:
    data = bytes.fromhex(found)
    print(load.is_part_of(state(data), state(before), state(after), ("write",)))
`

void tap.test('what a power cut may leave of a write over the end of a file', async (t) => {
  const found = tornWrites.map(([text]) => Buffer.from(text).toString('hex'))
  const { output } = await finish('python3', ['-B', '-c', judgeWrite, script, before, after, ...found])
  t.same(
    output.split('\n').map((line, n) => [line, tornWrites[n]?.[2]]),
    tornWrites.map(([, isPart, title]) => [isPart ? 'True' : 'False', title]),
  )
})
