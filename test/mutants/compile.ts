// SPDX-License-Identifier: GPL-2.0-only
import ts from 'typescript'

/** What the build makes of one source, without looking at its types. */
export function compile(text: string): string {
  const { ES2023: target } = ts.ScriptTarget
  const { ESNext: module } = ts.ModuleKind
  return ts.transpileModule(text, { compilerOptions: { target, module, verbatimModuleSyntax: true } })
    .outputText
}
