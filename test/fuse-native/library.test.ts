// SPDX-License-Identifier: GPL-2.0-only
/** What is said where the package fuse-native, or what it needs, is missing. */
import { mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { LibraryError, loadFuseLibrary } from '../../src/fuse-native/library.js'
import { temporaryDirectory } from '../support/temporary.js'

/** Looks for packages in a folder of its own, with one that is called fuse-native and has this source. */
async function loaderOf(t: Test, source: string | null): Promise<(name: string) => unknown> {
  const folder = await temporaryDirectory(t)
  if (source !== null) {
    const at = join(folder, 'node_modules', 'fuse-native')
    await mkdir(at, { recursive: true })
    await writeFile(join(at, 'index.js'), source)
  }
  return createRequire(join(folder, 'program.js'))
}

function saidBy(load: (name: string) => unknown): string {
  try {
    loadFuseLibrary(load)
  } catch (error) {
    if (error instanceof LibraryError) return error.message
    throw error
  }
  return ''
}

void test('a package that is not installed', async (t) => {
  t.match(
    saidBy(await loaderOf(t, null)),
    /^the channel fuse-native needs the npm package fuse-native, which is not installed: install pmfs2 again without --omit=optional/,
  )
})

void test('a package that is there and does not load', async (t) => {
  t.match(
    saidBy(await loaderOf(t, 'require("napi-macros-that-are-missing")')),
    /^the channel fuse-native cannot be used, .* does not load here: Cannot find module 'napi-macros-that-are-missing'/,
  )
  t.match(
    saidBy(
      await loaderOf(t, 'throw new Error("No native build was found for platform=linux\\nattempted …")'),
    ),
    /does not load here: No native build was found for platform=linux$/,
  )
})

void test('a machine without libfuse 2', async (t) => {
  const message = 'libfuse.so.2: cannot open shared object file: No such file or directory'
  t.match(
    saidBy(await loaderOf(t, `throw new Error(${JSON.stringify(message)})`)),
    /needs libfuse 2, which is not installed: on Debian, apt-get install libfuse2/,
  )
})

void test('the package itself', (t) => {
  const library = loadFuseLibrary()
  t.type(library, 'function')
  library.unmount('/nowhere "$(false)"', (error) => t.equal(error, null, 'its own unmounting is not used'))
  t.end()
})
