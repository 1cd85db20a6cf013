// SPDX-License-Identifier: GPL-2.0-only
import js from '@eslint/js'
import tseslint from 'typescript-eslint'

// Lines of code are Prettier's business, which leaves comments as they are.
const commentLength = ['error', { code: 1000, comments: 120, ignoreUrls: true }]

// The house plan: a folder imports from the folders below it and from nothing above.
const floors = ['cli', 'daemon', 'fuse-native', 'fuse', 'check', 'api', 'fs', 'pmem', 'native']
// The server serves any file system that has the interface.
const engineBehindInterface = {
  group: ['**/fs/engine.js'],
  message: 'src/fuse knows its file system by src/fuse/file-system.ts',
}
const upward = floors.map((floor, level) => ({
  files: [`src/${floor}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          ...floors.slice(0, level).map((above) => ({
            group: [`**/${above}/**`],
            message: `src/${floor} stands below src/${above}`,
          })),
          ...(floor === 'fuse' ? [engineBehindInterface] : []),
        ],
      },
    ],
  },
}))

/** Tests import the bench and the scripts, which import nothing of the tests but their helpers. */
const shared = [
  ['bench', { regex: '/test/(?!support/)', message: 'bench stands below the tests, but for test/support' }],
  [
    'scripts',
    { regex: '/test/(?!support/)', message: 'scripts stand below the tests, but for test/support' },
  ],
  ['test/support', { regex: '/(bench|scripts)/', message: 'test/support stands below bench and scripts' }],
].map(([folder, pattern]) => ({
  files: [`${folder}/**/*.ts`],
  rules: { 'no-restricted-imports': ['error', { patterns: [pattern] }] },
}))

/** Another file system needs no more than what the server tells of itself. */
const example = {
  files: ['examples/**/*.ts'],
  rules: {
    'no-console': 'off',
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            regex: '/(src|layout)/(?!fuse/(vocabulary|base-file-system)|daemon/serve)',
            message: 'an example knows the interface of file systems and serve() only',
          },
        ],
      },
    ],
  },
}

export default tseslint.config(
  { ignores: ['dist/', 'build/', 'node_modules/', '.tap/', 'mnt/'] },
  js.configs.recommended,
  { rules: { 'max-len': commentLength } },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      // Typed-array loads are `number | undefined` to the compiler; within checked bounds `!` says what is known.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'max-lines': ['error', 600],
      'no-console': 'error',
    },
  },
  {
    files: ['**/*.js'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly' } },
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts', 'src/cli/**/*.ts', 'scripts/**/*.{js,ts}'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['layout/**/*.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: ['**/src/**'] }] },
  },
  example,
  ...shared,
  ...upward,
)
