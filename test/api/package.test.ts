// SPDX-License-Identifier: GPL-2.0-only
/** The package as another program's dependency: what can be imported of it, and with which types. */
import { execFileSync } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { SHARED_MEMORY, temporaryDirectory } from '../support/temporary.js'
import { withoutRunner } from '../support/run-command.js'
import { packageRoot, succeed } from '../support/test-mount.js'

const folder = await temporaryDirectory(t, SHARED_MEMORY)
await mkdir(join(folder, 'node_modules'))
await symlink(packageRoot, join(folder, 'node_modules', 'pmfs2'))
const program = join(folder, 'program.mjs')

async function run(script: string): Promise<string> {
  await writeFile(program, script)
  return execFileSync('env', [...withoutRunner, process.execPath, program], { encoding: 'utf8' })
}

void t.test('a program writes and reads a volume', async (t) => {
  const device = join(folder, 'device')
  await succeed('mkfs', device, '--size', '16M')
  const said = await run(`
    import { DeviceError, VolumeError, openFiles } from 'pmfs2'
    const volume = await openFiles('${device}')
    await volume.writeFile('/hello', 'hello, world')
    console.log(await volume.readFile('/hello', 'utf8'), await volume.readdir('/'))
    const refusals = await Promise.all([
      openFiles('${device}-2').catch((error) => error instanceof DeviceError),
      openFiles('${program}').catch((error) => error instanceof VolumeError),
    ])
    await volume.close()
    console.log(...refusals)`)
  t.equal(said, "hello, world [ 'hello' ]\ntrue true\n")
})

void t.test('nothing else can be imported', async (t) => {
  const said = await run(`
    for (const inner of ['dist/src/fs/engine.js', 'dist/src/api/volume-files.js'])
      await import(\`pmfs2/\${inner}\`).catch((error) => console.log(error.code))`)
  t.equal(said, 'ERR_PACKAGE_PATH_NOT_EXPORTED\n'.repeat(2))
})

void t.test('the compiler finds its types', (t) => {
  const options = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext }
  const { resolvedModule } = ts.resolveModuleName('pmfs2', program, options, ts.sys)
  t.equal(resolvedModule?.resolvedFileName, join(packageRoot, 'dist/src/api/index.d.ts'))
  t.end()
})
