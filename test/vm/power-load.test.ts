// SPDX-License-Identifier: GPL-2.0-only
/** The judgement of power cuts (guest/power-load.py) notices what is lost, and accepts what was done. */
import { readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { finish } from '../support/run-command.js'
import { TestMount, packageRoot } from '../support/test-mount.js'
import { after, before, tornWrites } from '../support/torn-writes.js'

const script = join(packageRoot, 'test/vm/guest/power-load.py')
/** By which there is at the end what each loss is planted in. */
const seed = '3'
const workers = 2
const operations = 400
const wordBytes = 8
const plantedLosses = join(packageRoot, 'test/vm/planted-losses.py')
/** What the judgement says of each, after the path. */
const losses: Readonly<Record<string, string>> = {
  a_byte: 'byte 77 of \\d+ is \\d+, not \\d+',
  the_last_byte: '\\d+ bytes, not \\d+',
  blocks: '\\d+ blocks, not \\d+ or more',
  the_mode: 'mode \\d+, not \\d+',
  the_mode_of_a_directory: 'mode \\d+, not \\d+',
  the_owner: 'owner \\(.*\\), not \\(.*\\)',
  the_time: 'mtime \\d+, not \\d+',
  an_attribute: 'attributes .*, not ',
  the_value_of_an_attribute: 'attributes .*, or of other values',
  a_link: 'links \\d, not \\d',
  the_target: 'target t+, not t+',
  the_kind: 'kind directory, not file',
}
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

  const planted = ['-B', plantedLosses, script, seed, String(workers), told, mount.mountpoint]
  const { output } = await finish('python3', planted)
  const lines = output.split('\n')
  for (const [n, [loss, found]] of Object.entries(losses).entries()) {
    t.match(lines[2 * n], new RegExp(`^${loss} # \\S+: ${found}`), `${loss} is noticed`)
    t.equal(lines[2 * n + 1], 'mended', loss)
  }
  t.match(lines.at(-2), /^a_stray_name # shared\/x is of no process$/)
  t.equal(lines.at(-1), 'mended')

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
state = lambda data: {"file": load.State("file", 0o644, 1, "", data, {})}
before, after = sys.argv[2].encode(), sys.argv[3].encode()
for found in sys.argv[4:]:
    data = bytes.fromhex(found)
    print(load.is_part_of(state(data), state(before), state(after), ("write",)))
`

/** Says of each change of a path whether a power cut in an operation on the file "f" may leave it. */
const judgeChanges = `
import importlib.util, sys
spec = importlib.util.spec_from_file_location("load", sys.argv[1])
load = importlib.util.module_from_spec(spec)
spec.loader.exec_module(load)
old = load.State("file", 0o644, 1, "", bytes(8192), {}, (0, 0), 5, 3)
new = old._replace(data=b"x" * 8192, mtime=None, blocks=4)
torn = old._replace(data=b"x" * 4096 + bytes(4096), mtime=9, blocks=3)
for f, other in (
    (torn, old),
    (torn._replace(owner=(1, 0)), old),
    (torn._replace(blocks=2), old),
    (torn, old._replace(mtime=9)),
    (torn, old._replace(blocks=2)),
    (torn, old._replace(owner=(1, 0))),
):
    found = {"f": f, "other": other}
    print(load.is_part_of(found, {"f": old, "other": old}, {"f": new, "other": old}, ("write", "f")))
`

void tap.test('what a power cut may leave of an operation beside the data', async (t) => {
  const { output } = await finish('python3', ['-B', '-c', judgeChanges, script])
  t.same(output.split('\n'), ['True', 'False', 'False', 'False', 'False', 'False'])
})

void tap.test('what a power cut may leave of a write over the end of a file', async (t) => {
  const found = tornWrites.map(([text]) => Buffer.from(text).toString('hex'))
  const { output } = await finish('python3', ['-B', '-c', judgeWrite, script, before, after, ...found])
  t.same(
    output.split('\n').map((line, n) => [line, tornWrites[n]?.[2]]),
    tornWrites.map(([, isPart, title]) => [isPart ? 'True' : 'False', title]),
  )
})
