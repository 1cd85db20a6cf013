// SPDX-License-Identifier: GPL-2.0-only
/**
 * Puts what is started of the program into one file each, as loading some 200 modules takes most of the time of a
 * command: `dist/src/FOLDER/NAME.js` with all that it imports becomes `dist/program/FOLDER/NAME.js`. A module that
 * names another one by its place, `../FOLDER/NAME.js`, finds it from both. Source maps lead to the sources. The
 * licences of packages that become a part of it lie beside.
 */
import { realpathSync } from 'node:fs'
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { argv, pid } from 'node:process'
import { fileURLToPath } from 'node:url'
import { root } from './setup.js'

const sources = 'dist/src'
const target = 'dist/program'
/** The command line, what a worker thread runs, and the process that makes a call on a mount. */
const names = ['cli/program', 'daemon/engine-worker', 'daemon/mount-call']

/** Relative to the repository. */
export const bundles = names.map((name) => `${target}/${name}.js`)

/**
 * Outside of node_modules, yargs asks for the working directory as soon as it is loaded. That may be gone, and nothing
 * of it is used.
 */
const withoutDirectory = {
  name: 'without-directory',
  setup(build) {
    build.onLoad({ filter: /\/yargs\/lib\/platform-shims\/esm\.mjs$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8')
      const asks = 'mainFilename || process.cwd()'
      if (!text.includes(asks)) throw new Error(`${path} has no "${asks}"`)
      return { contents: text.replace(asks, "mainFilename || '/'"), loader: 'js' }
    })
  },
}

async function bundle() {
  const { build } = await import('esbuild-wasm')
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: names.map((name) => join(root, sources, `${name}.js`)),
    outbase: join(root, sources),
    outdir: join(root, target),
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'linked',
    sourcesContent: false,
    // Comments and blanks are a third of what there is to load. Names stay, for stack traces, and so do lines.
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 200,
    // debug is CommonJS.
    banner: {
      js: "// SPDX-License-Identifier: GPL-2.0-only\nimport { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    // What debug uses where others have installed it.
    external: ['supports-color'],
    plugins: [withoutDirectory],
    logLevel: 'warning',
  })
  await put(join(root, target, 'LICENSES.txt'), await licences(Object.keys(metafile.inputs)))
  // The bundles come last: what is newer than the sources is whole.
  const maps = outputFiles.filter(({ path }) => path.endsWith('.map'))
  for (const { path, contents } of [...maps, ...outputFiles.filter((file) => !maps.includes(file))])
    await put(path, contents)
}

/** In one step: a command may be about to load it. What an interruption leaves lies outside of what is packed. */
async function put(path, contents) {
  await mkdir(dirname(path), { recursive: true })
  const made = join(root, 'dist', `.${basename(path)}.${pid}`)
  try {
    await writeFile(made, contents)
    await rename(made, path)
  } catch (error) {
    await rm(made, { force: true })
    throw error
  }
}

/** @param inputs paths of modules */
async function licences(inputs) {
  const folders = new Set(inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []))
  const texts = []
  for (const folder of [...folders].sort()) {
    const { name, version, license } = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'))
    const file = (await readdir(join(root, folder))).find((entry) => /^licen[cs]e/i.test(entry))
    if (file === undefined) throw new Error(`${folder} has no licence text`)
    texts.push(
      `${name} ${version} (${license})\n\n${(await readFile(join(root, folder, file), 'utf8')).trim()}\n`,
    )
  }
  return texts.join(`\n${'-'.repeat(80)}\n\n`)
}

if (realpathSync(argv[1]) === fileURLToPath(import.meta.url)) await bundle()
