// SPDX-License-Identifier: GPL-2.0-only
import ts from 'typescript'

/** What the build makes of one source, without looking at its types. @throws where it does not parse */
export function compile(text: string): string {
  const { ES2023: target } = ts.ScriptTarget
  const { ESNext: module } = ts.ModuleKind
  const { outputText, diagnostics = [] } = ts.transpileModule(text, {
    compilerOptions: { target, module, verbatimModuleSyntax: true },
    reportDiagnostics: true,
  })
  if (diagnostics.length > 0) {
    const messages = diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '))
    throw new Error(`it does not parse: ${messages.join('; ')}`)
  }
  return outputText
}
