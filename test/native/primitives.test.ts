// SPDX-License-Identifier: GPL-2.0-only
/**
 * The instructions of the released helper, as objdump(1) reads them: the tests of the shadow replace these, and only
 * these (src/native/primitives.h). PMFS2_ARCH, arm64 or x64, has one read that was cross-compiled.
 */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../support/program.js'

const arch = process.env['PMFS2_ARCH'] ?? process.arch
const isCrossCompiled = arch !== process.arch
const machine = arch === 'arm64' ? 'aarch64' : 'x86-64'

interface Instruction {
  readonly mnemonic: string
  readonly operands: string
}

/** Functions by name; what the compiler has split off (`name.part.0`) stands for itself. */
function disassemble(path: string): Map<string, Instruction[]> {
  const text = execFileSync(
    isCrossCompiled ? `${machine}-linux-gnu-objdump` : 'objdump',
    ['-d', '--no-show-raw-insn', path],
    {
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    },
  )
  const functions = new Map<string, Instruction[]>()
  for (const part of text.split('\n\n')) {
    const name = /^[0-9a-f]+ <(.+)>:$/m.exec(part)?.[1]
    if (name === undefined) continue
    const instructions = [...part.matchAll(/^ *[0-9a-f]+:\t(\S+)[ \t]*([^\n]*)$/gm)]
    functions.set(
      name,
      instructions.map(([, mnemonic, operands]) => ({ mnemonic: mnemonic!, operands: operands! })),
    )
  }
  return functions
}

/** By function, what it has of the primitives. */
const expected =
  arch === 'x64'
    ? {
        flush_clwb: ['clwb'],
        flush_clflushopt: ['clflushopt'],
        flush_clflush: ['clflush'],
        fence_stores: ['sfence'],
      }
    : { flush_cvac: ['dc cvac'], flush_cvap: ['dc cvap'], fence_stores: ['dsb sy'] }

const primitives = /^(clwb|clflush|clflushopt|sfence|v?movnt\w+|dc cva[cp]|dsb sy)$/

function primitivesOf(instructions: readonly Instruction[]): string[] {
  return instructions
    .map(({ mnemonic, operands }) =>
      mnemonic === 'dc' || mnemonic === 'dsb' ? `${mnemonic} ${operands.split(',')[0]!}` : mnemonic,
    )
    .filter((text) => primitives.test(text))
}

const functions = disassemble(join(packageRoot, 'build/Release/pmfs2.node'))
const kernels = [...functions].filter(([name]) => /^(copy|zero)_lines_(?!plain)/.test(name))

void test('each flush and the fence is the instruction that its name says, once', (t) => {
  for (const [name, instructions] of Object.entries(expected))
    t.same(primitivesOf(functions.get(name) ?? []), instructions, name)
  t.equal(functions.get('fence_stores')?.[0]?.mnemonic, expected.fence_stores[0]!.split(' ')[0])
  t.end()
})

void test('copies past the caches store whole lines, and by non-temporal stores alone', (t) => {
  t.equal(kernels.length, arch === 'x64' ? 6 : 0)
  for (const [name, instructions] of kernels) {
    // In AT&T syntax the destination is the last operand.
    const stores = instructions.filter(
      ({ mnemonic, operands }) => /^v?mov/.test(mnemonic) && /\)\s*$/.test(operands),
    )
    t.same(
      stores.filter(({ mnemonic }) => !/^v?movnt/.test(mnemonic)),
      [],
      name,
    )
    const bytes = stores.map(
      ({ operands }) => ({ x: 16, y: 32, z: 64 })[/%([xyz])mm/.exec(operands)?.[1] ?? ''],
    )
    t.equal(
      bytes.reduce<number>((sum, width) => sum + (width ?? NaN), 0) % 64,
      0,
      `${name}: ${stores.length} stores`,
    )
    t.not(stores.length, 0)
  }
  t.end()
})

/** What touches memory, or goes elsewhere to do so. */
function reaching(instructions: readonly Instruction[]): string[] {
  return instructions
    .map(({ mnemonic, operands }) => `${mnemonic} ${operands}`)
    .filter((text) => /[([<]/.test(text) && !/\bnop/.test(text))
}

void test('an 8-byte store is one instruction', (t) => {
  const [store, ...more] = reaching(functions.get('store64') ?? [])
  t.match(store, arch === 'x64' ? /^mov %rsi,\(%rdi\)\s*$/ : /^stl?r x1, \[x0\]\s*$/)
  t.same(more, [])
  t.end()
})

void test('nothing else uses them', (t) => {
  const known = new Set([...Object.keys(expected), ...kernels.map(([name]) => name)])
  for (const [name, instructions] of functions)
    if (!known.has(name)) t.same(primitivesOf(instructions), [], name)
  t.end()
})
