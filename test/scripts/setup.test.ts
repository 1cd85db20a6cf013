// SPDX-License-Identifier: GPL-2.0-only
/** What setting up compiles once more, in a repository of two modules. */
import { cp, mkdir, symlink, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import tap, { type Test } from 'tap'
import { type Finished, finish, withoutRunner } from '../support/run-command.js'
import { temporaryDirectory } from '../support/temporary.js'
import { packageRoot } from '../support/test-mount.js'

tap.setTimeout(300_000)

const limitMs = 60_000
const { bundles } = (await import(join(packageRoot, 'scripts', 'bundle.js'))) as {
  readonly bundles: readonly string[]
}

class Repository {
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async make(t: Test): Promise<Repository> {
    const repository = new Repository(await temporaryDirectory(t))
    const folder = repository.#folder
    for (const name of ['tsconfig.json', 'tsconfig.program.json', 'package.json', 'package-lock.json'])
      await cp(join(packageRoot, name), join(folder, name))
    for (const name of ['setup.js', 'bundle.js', 'interruption.js', 'step-line.js', 'build-mmap-io.js'])
      await cp(join(packageRoot, 'scripts', name), join(folder, 'scripts', name))
    // What is installed counts as new.
    await utimes(join(folder, 'package-lock.json'), 1, 1)
    await symlink(join(packageRoot, 'node_modules'), join(folder, 'node_modules'))
    await repository.write('build/Release/pmfs2.node', '')
    for (const path of bundles) {
      const name = path.slice('dist/program/'.length, -'.js'.length)
      await repository.write(`src/${name}.ts`, `export const name: string = '${name}'\n`)
    }
    return repository
  }

  async write(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.#folder, path)), { recursive: true })
    await writeFile(join(this.#folder, path), text)
  }

  setUp(purpose: string): Promise<Finished> {
    const script = join(this.#folder, 'scripts', 'setup.js')
    return finish('env', [...withoutRunner, process.execPath, script, purpose], limitMs)
  }
}

const program = /compiling the program/
const bundle = /bundling the program/
const tests = /compiling tests and bench/

void tap.test('what has changed, and what uses it', async (t) => {
  const repository = await Repository.make(t)
  await repository.write('src/value.ts', 'export const value: number = 1\n')
  await repository.write(
    'test/twice.ts',
    "import { value } from '../src/value.js'\nexport const twice: number = 2 * value\n",
  )
  const all = await repository.setUp('types')
  t.equal(all.end, 0, all.output)
  t.match(all.output, program)
  t.match(all.output, bundle)
  t.match(all.output, tests)
  t.same(await repository.setUp('types'), { end: 0, output: '' }, 'all is up to date')

  await repository.write('test/other.ts', 'export const other = 1\n')
  const part = await repository.setUp('types')
  t.equal(part.end, 0, part.output)
  t.notMatch(part.output, program)
  t.notMatch(part.output, bundle)
  t.match(part.output, tests)

  await repository.write('src/value.ts', "export const value: string = ''\n")
  t.equal((await repository.setUp('program')).end, 0)
  const broken = await repository.setUp('types')
  t.equal(broken.end, 1, 'a test that the program no longer fits')
  t.match(broken.output, /test\/twice\.ts/)
  t.equal((await repository.setUp('types')).end, 1, 'as long as it does not')
})
