// SPDX-License-Identifier: GPL-2.0-only
/** Lists of mount options as mount(8) has them: separated by commas, except within double quotes. */

/** @returns the options without quotes and without empty ones */
export function splitOptions(list: string): string[] {
  const parts = list.match(/(?:[^,"]|"[^"]*"|")+/g) ?? []
  return parts.map((part) => part.replaceAll('"', ''))
}

/** A list of them: quotes keep together what holds a comma. */
export function joinOptions(options: readonly string[]): string {
  return options.map((option) => (option.includes(',') ? `"${option}"` : option)).join(',')
}

/** Name and value of an option; the value of one without `=` is null. */
export function optionParts(option: string): readonly [name: string, value: string | null] {
  const at = option.indexOf('=')
  return at < 0 ? [option, null] : [option.slice(0, at), option.slice(at + 1)]
}
