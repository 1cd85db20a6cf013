// SPDX-License-Identifier: GPL-2.0-only
/** Defects of what makes stores durable: the mapped medium, and below it the native helper. */
import { type Mutant, calls, mutantsOf } from './mutant.js'

const persist = mutantsOf('src/native/persist.c', [
  ['what is due is never flushed', 'flush_lines(persister->due, persister->due_end - persister->due);', ''],
  [
    'the last line of a range is skipped',
    'flush_lines(persister->due, persister->due_end - persister->due);',
    `size_t length = persister->due_end - persister->due;
	flush_lines(persister->due, length > CACHE_LINE_BYTES ? length - CACHE_LINE_BYTES : length);`,
  ],
  [
    'what was due is dropped for the next range',
    '		flush_due(persister);\n		persister->due = start;',
    '		persister->due = start;',
  ],
  ['a range that is due is not widened', '} else if (end > persister->due_end) {', '} else if (false) {'],
  ['what is due is not flushed at a fence', '	flush_due(persister);\n	fence_stores();', '	fence_stores();'],
  [
    'the fence goes before the flush',
    '	flush_due(persister);\n	fence_stores();',
    '	fence_stores();\n	flush_due(persister);',
  ],
  ['flushed lines are not fenced', '	flush_due(persister);\n	fence_stores();', '	flush_due(persister);'],
  [
    'no fence where caches are durable',
    '	flush_due(persister);\n	fence_stores();',
    `	flush_due(persister);
	if (persister->how != PERSIST_FENCE_ONLY)
		fence_stores();`,
  ],
  [
    'no fence but where caches are durable',
    '	flush_due(persister);\n	fence_stores();',
    `	flush_due(persister);
	if (persister->how == PERSIST_FENCE_ONLY)
		fence_stores();`,
  ],
  ['gathered pages are not synced', '	sync_pages(&persister->batch);\n', ''],
  [
    'pages are never chosen',
    'else if (persister->how == PERSIST_PAGES)\n		batch_pages',
    'else if (false)\n		batch_pages',
  ],
  [
    'pages are always chosen',
    `	if (persister->how == PERSIST_CACHE_LINES)
		flush_later(persister, address, length);
	else if (persister->how == PERSIST_PAGES)
		batch_pages`,
    `	if (persister->how != PERSIST_FENCE_ONLY)
		batch_pages`,
  ],
  [
    'a named range is not made durable',
    '	if (!error)\n		make_durable(persister, mapping, address, length);',
    '',
  ],
  [
    'a range begins a line too late',
    '	if (!error)\n		make_durable(persister, mapping, address, length);',
    '	if (!error)\n		make_durable(persister, mapping, address + CACHE_LINE_BYTES, length);',
  ],
  [
    'a range is one byte short',
    '	if (!error)\n		make_durable(persister, mapping, address, length);',
    '	if (!error)\n		make_durable(persister, mapping, address, length - 1);',
  ],
  [
    'a copied page is not synced',
    '		memmove(to, from, length);\n		make_durable(persister, mapping, to, length);',
    '		memmove(to, from, length);',
  ],
  [
    'the source of a copy is synced',
    '		make_durable(persister, mapping, to, length);\n	} else',
    '		make_durable(persister, mapping, from, length);\n	} else',
  ],
  [
    'a copy goes through the caches and is not flushed',
    'nontemporal_copy(to, from, length);',
    'memmove(to, from, length);',
  ],
  ['a stored word is not made durable', '	make_durable(persister, mapping, to, sizeof(value));\n', ''],
  [
    'another line than that of a stored word is made durable',
    'make_durable(persister, mapping, to, sizeof(value));',
    'make_durable(persister, mapping, to + CACHE_LINE_BYTES, sizeof(value));',
  ],
  ['a fence within a list is left out', '	case STEP_FENCE:\n		make_all_durable(persister);', '	case STEP_FENCE:'],
  ['the fence at the end of a list is left out', '	make_all_durable(&persister);\n', ''],
  [
    'an error of msync is not noted',
    '	if (persister->batch.error)\n		note_failure((const char *)persister->batch.failed, -persister->batch.error);\n',
    '',
    'native/persist',
  ],
  [
    'a list that names failed memory is carried out',
    '	if (has_failed(steps, count))\n		return give(env, -EIO);',
    '',
    'native/persist',
  ],
  [
    'zeros go through the caches and are not flushed',
    '		nontemporal_zero(to, arguments[2]);',
    '		memset(to, 0, arguments[2]);',
  ],
])

const nontemporal = mutantsOf('src/native/nontemporal.c', [
  [
    'a short copy is not flushed',
    '		memmove(to, from, length);\n		flush_lines(to, length);',
    '		memmove(to, from, length);',
  ],
  [
    'the head of a copy is not flushed',
    '		memcpy(to, from, head);\n		flush_lines(to, head);',
    '		memcpy(to, from, head);',
  ],
  [
    'the tail of a copy is not flushed',
    '		flush_lines(to + head + body, tail);\n	}\n}\n\nvoid nontemporal_zero',
    '	}\n}\n\nvoid nontemporal_zero',
  ],
  [
    'the tail of a copy is looked for a head too early',
    '		memcpy(to + head + body, from + head + body, tail);\n		flush_lines(to + head + body, tail);',
    '		memcpy(to + head + body, from + head + body, tail);\n		flush_lines(to + body, tail);',
  ],
  [
    'the body of a copy goes through the caches',
    'chosen->copy(to + head, from + head, body / CACHE_LINE_BYTES);',
    'memcpy(to + head, from + head, body);',
  ],
  [
    'the last line of the body goes through the caches',
    'chosen->copy(to + head, from + head, body / CACHE_LINE_BYTES);',
    `chosen->copy(to + head, from + head, body / CACHE_LINE_BYTES - 1);
	memcpy(to + head + body - CACHE_LINE_BYTES, from + head + body - CACHE_LINE_BYTES, CACHE_LINE_BYTES);`,
  ],
  [
    'short zeros are not flushed',
    '		memset(to, 0, length);\n		flush_lines(to, length);',
    '		memset(to, 0, length);',
  ],
  [
    'the head of zeros is not flushed',
    '		memset(to, 0, head);\n		flush_lines(to, head);',
    '		memset(to, 0, head);',
  ],
  [
    'the tail of zeros is not flushed',
    '		memset(to + head + body, 0, tail);\n		flush_lines(to + head + body, tail);',
    '		memset(to + head + body, 0, tail);',
  ],
  [
    'the body of zeros goes through the caches',
    'chosen->zero(to + head, body / CACHE_LINE_BYTES);',
    'memset(to + head, 0, body);',
  ],
])

const flush = mutantsOf('src/native/flush.c', [
  ['no line is flushed', '	flush_chosen(start, length);', '	(void)start, (void)length;'],
  ['no store is fenced', '	store_fence();', ''],
  [
    'the first line of each range is skipped',
    'uintptr_t line = (uintptr_t)start & ~(uintptr_t)(CACHE_LINE_BYTES - 1);  ',
    'uintptr_t line = ((uintptr_t)start & ~(uintptr_t)(CACHE_LINE_BYTES - 1)) + CACHE_LINE_BYTES;  ',
  ],
  [
    'an unaligned start is rounded up',
    'uintptr_t line = (uintptr_t)start & ~(uintptr_t)(CACHE_LINE_BYTES - 1);  ',
    'uintptr_t line = ((uintptr_t)start + CACHE_LINE_BYTES - 1) & ~(uintptr_t)(CACHE_LINE_BYTES - 1);  ',
  ],
  [
    'lines are counted from the unaligned start',
    'uintptr_t line = (uintptr_t)start & ~(uintptr_t)(CACHE_LINE_BYTES - 1);  ',
    'uintptr_t line = (uintptr_t)start;  ',
  ],
  [
    'every other line is skipped',
    'line < (uintptr_t)start + length; line += CACHE_LINE_BYTES)               \\',
    'line < (uintptr_t)start + length; line += 2 * CACHE_LINE_BYTES)           \\',
  ],
  [
    'a last line of one byte is skipped',
    'line < (uintptr_t)start + length; line += CACHE_LINE_BYTES)               \\',
    'line + 1 < (uintptr_t)start + length; line += CACHE_LINE_BYTES)           \\',
  ],
])

const sync = mutantsOf('src/native/sync-batch.c', [
  ['pages are written some time', 'span->end - span->start, MS_SYNC)', 'span->end - span->start, MS_ASYNC)'],
  [
    'the last page of a range is skipped',
    '((uintptr_t)address + length + page_bytes - 1) & ~(page_bytes - 1)',
    '((uintptr_t)address + length) & ~(page_bytes - 1)',
  ],
  [
    'the first page of a range is skipped',
    '(uintptr_t)address & ~(page_bytes - 1),',
    '((uintptr_t)address + page_bytes - 1) & ~(page_bytes - 1),',
  ],
  [
    'only the first page of a range is synced',
    'write_pages(span->start, span->end - span->start, MS_SYNC)',
    'write_pages(span->start, page_bytes, MS_SYNC)',
  ],
  [
    'the page behind is synced',
    'write_pages(span->start, span->end',
    'write_pages(span->start + page_bytes, span->end',
  ],
  [
    'the last span of a batch is skipped',
    '	sync_span(batch, &merged);\n	batch->count = 0;',
    '	batch->count = 0;',
  ],
  [
    'a full batch is dropped',
    '	if (batch->count == BATCH_SPANS)\n		sync_pages(batch);',
    '	if (batch->count == BATCH_SPANS)\n		batch->count = 0;',
  ],
  [
    'the count of spans is cleared too early',
    '	merged = batch->spans[0];',
    '	merged = batch->spans[0];\n	batch->count = 0;',
  ],
  [
    'the count of spans is not cleared',
    '	sync_span(batch, &merged);\n	batch->count = 0;',
    '	sync_span(batch, &merged);',
    'native/sync-batch',
  ],
  ['a merged span does not grow', '			merged.end = next->end;', '			;'],
  ['a span is dropped for the next one', '			sync_span(batch, &merged);\n			merged = *next;', '			merged = *next;'],
  ['spans of two mappings are merged', ' || next->mapping != merged.mapping', '', 'native/sync-batch'],
  ['spans are not sorted', 'at && batch->spans[at - 1].start > span.start; at--)', '0; at--)'],
  ['no fence before msync', '	fence_stores();\n	merged', '	merged', 'native/sync-batch'],
  ['an error of msync is dropped', '	batch->error = -errno;\n', '', 'native/persist'],
  ['a place that failed is not noted', '	batch->failed = span->start;\n', '', 'native/persist'],
])

const medium = mutantsOf('src/pmem/mapped-medium.ts', [
  [
    'flush does nothing',
    '    this.#flush(block >>> windowShift, start, offset + length - (offset & lineMask))\n',
    '',
  ],
  [
    'what rounding adds at the front is lost at the end',
    'start, offset + length - (offset & lineMask))',
    'start, length)',
  ],
  [
    'a flush forgets its offset in the block',
    '((block & windowBlockMask) << blockShift) + (offset & lineMask)\n',
    '((block & windowBlockMask) << blockShift)\n',
  ],
  ['a range in the list is not widened', 'if (at + length > to) list[last + 3] = at + length - from', ''],
  [
    'a range in the list is widened by too little',
    'list[last + 3] = at + length - from',
    'list[last + 3] = length',
  ],
  [
    'a range is added to one of another window',
    'list[last] === STEP_FLUSH && list[last + 1] === mapping',
    'list[last] === STEP_FLUSH',
  ],
  [
    'a full list is dropped',
    '    if (this.#count === mostSteps) this.fence()\n    const step',
    '    if (this.#count === mostSteps) this.#count = 0\n    const step',
  ],
  [
    'the last step of a list is lost',
    'list.words[0] = this.#count\n',
    'list.words[0] = Math.max(0, this.#count - 1)\n',
  ],
  ['order does nothing', '    this.#step(STEP_FENCE)\n', ''],
  ['zeros are not synced', '      if (this.#how === PERSIST_PAGES) this.#flush(window, at, part)\n', ''],
  ['lists always say cache lines', 'this.#list.words[1] = description.persistHow', 'this.#list.words[1] = 0'],
  ['lists always say fence only', 'this.#list.words[1] = description.persistHow', 'this.#list.words[1] = 1'],
  ['lists always say pages', 'this.#list.words[1] = description.persistHow', 'this.#list.words[1] = 2'],
  [
    'a line of the log is appended where it does not belong',
    'list[last + 2]! + list[last + 3]! === at &&\n',
    '',
    'pmem/mapped-medium',
  ],
  [
    'fences never reach the helper',
    'const error = native.persist(list.mapping, 0)',
    'const error = 0 as number',
  ],
])

/** Below the shadow: what the released helper is compiled to. */
const primitives = mutantsOf('src/native/primitives.h', [
  ['clwb is left out', '	_mm_clwb((void *)line);', '	(void)line;', 'native/primitives'],
  [
    'clflushopt is another instruction',
    '_mm_clflushopt((void *)line)',
    '_mm_clflush((void *)line)',
    'native/primitives',
  ],
  ['clflush is left out', '	_mm_clflush((void *)line);', '	(void)line;', 'native/primitives'],
  ['sfence is left out', '	_mm_sfence();', '', 'native/primitives'],
  ['sfence is a fence of loads', '	_mm_sfence();', '	_mm_lfence();', 'native/primitives'],
  ['sse2 stores go through the caches', '_mm_stream_si128(', '_mm_store_si128(', 'native/primitives'],
  ['avx2 stores go through the caches', '_mm256_stream_si256(', '_mm256_store_si256(', 'native/primitives'],
  ['avx512 stores go through the caches', '_mm512_stream_si512(', '_mm512_store_si512(', 'native/primitives'],
  [
    'msync is left out',
    '	return msync((void *)start, length, flags);',
    '	return (void)start, (void)length, (void)flags, 0;',
    'native/persist',
  ],
  [
    'msync does not wait',
    'msync((void *)start, length, flags);',
    'msync((void *)start, length, flags ? MS_ASYNC : 0);',
    'native/persist',
  ],
])

/** The kernels, of which a processor runs one. */
const kernels = mutantsOf('src/native/nontemporal.c', [
  [
    'one of the stores of sse2 goes through the caches',
    'stream_128(to + 48, d);',
    'memcpy(to + 48, &d, 16);',
    'native/primitives',
  ],
  [
    'one of the stores of avx2 goes through the caches',
    'stream_256(to + 32, b);',
    'memcpy(to + 32, &b, 32);',
    'native/primitives',
  ],
  ['avx2 zeroes half of each line', '		stream_256(to + 32, zero);\n', '', 'native/primitives'],
])

const choice = [
  ...mutantsOf('src/pmem/map-device.ts', [
    [
      'a volume is never synced by pages',
      '  if (devices.some((device) => device.domain.how === PERSIST_PAGES)) return PERSIST_PAGES\n',
      '',
    ],
    [
      'a volume is never flushed',
      'return devices.every((device) => device.domain.how === PERSIST_FENCE_ONLY)\n    ? PERSIST_FENCE_ONLY',
      'return devices.length > 0\n    ? PERSIST_FENCE_ONLY',
    ],
  ]),
]

export const durability: readonly Mutant[] = [
  ...persist,
  ...nontemporal,
  ...flush,
  ...sync,
  ...primitives,
  ...kernels,
  ...medium,
  ...choice,
]

/** What has to pass without a mutant. */
export const allTests: readonly string[] = [...new Set([calls, ...durability.flatMap(({ tests }) => tests)])]
