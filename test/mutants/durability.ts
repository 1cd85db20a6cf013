// SPDX-License-Identifier: GPL-2.0-only
/** Defects of what makes stores durable: the mapped medium, and below it the native helper. */
import { type Mutant, mutantsOf, withHanging } from './mutant.js'
import { superblock } from './superblock.js'

const persist = mutantsOf('src/native/persist.c', [
  ['what is due is never flushed', '	flush_lines(due, end - due);', '	(void)due, (void)end;'],
  [
    'the last line of a range is skipped',
    'flush_lines(due, end - due);',
    `size_t length = end - due;
	flush_lines(due, length > CACHE_LINE_BYTES ? length - CACHE_LINE_BYTES : length);`,
  ],
  [
    'what was due is dropped for the next range',
    '		flush_due(persister);\n		persister->due = address;',
    '		persister->due = address;',
  ],
  ['a range that is due is not widened', '		if (end > persister->due_end)\n', '		if (false)\n'],
  ['what is due is not flushed at a fence', '	flush_due(persister);\n	fence_stores();', '	fence_stores();'],
  [
    'the fence goes before the flush',
    '	flush_due(persister);\n	fence_stores();',
    '	fence_stores();\n	flush_due(persister);',
  ],
  ['flushed lines are not fenced', '	flush_due(persister);\n	fence_stores();', '	flush_due(persister);'],
  [
    'no fence where no line is due',
    '	flush_due(persister);\n	fence_stores();',
    '	bool due = persister->due;\n\n	flush_due(persister);\n	if (due)\n		fence_stores();',
  ],
  [
    'no fence where a file is synced',
    '	flush_due(persister);\n	fence_stores();',
    '	flush_due(persister);\n	if (!persister->unsynced_count)\n		fence_stores();',
  ],
  ['files are not synced at a fence', '		sync_backing(persister->unsynced[i]);', '		(void)i;'],
  [
    'files are synced before the stores have arrived',
    `	flush_due(persister);
	fence_stores();
	for (size_t i = 0; i < persister->unsynced_count; i++)
		sync_backing(persister->unsynced[i]);`,
    `	for (size_t i = 0; i < persister->unsynced_count; i++)
		sync_backing(persister->unsynced[i]);
	flush_due(persister);
	fence_stores();`,
  ],
  [
    'only the first file is synced',
    'for (size_t i = 0; i < persister->unsynced_count; i++)\n		sync_backing(persister->unsynced[i]);',
    'if (persister->unsynced_count)\n		sync_backing(persister->unsynced[0]);',
  ],
  [
    'a file that another precedes is not synced',
    'if (persister->unsynced[i] == backing)\n			return;',
    'return;',
  ],
  [
    'files that a list has no place for are dropped',
    '	if (persister->unsynced_count == MOST_BACKINGS)\n		make_all_durable(persister);',
    '	if (persister->unsynced_count == MOST_BACKINGS)\n		return;',
    'native/persist',
  ],
  [
    'pages are never chosen',
    'else if (place->how == PERSIST_PAGES)\n		sync_later',
    'else if (false)\n		sync_later',
  ],
  [
    'lines are never chosen',
    'if (place->how == PERSIST_CACHE_LINES)\n		flush_later',
    'if (false)\n		flush_later',
  ],
  ['a named range is not made durable', '	if (!error)\n		make_durable(persister, &place, length);', ''],
  [
    'a range begins a line too late',
    '	if (!error)\n		make_durable(persister, &place, length);',
    '	place.address += CACHE_LINE_BYTES;\n	if (!error)\n		make_durable(persister, &place, length);',
  ],
  [
    'a range is one byte short',
    '	if (!error)\n		make_durable(persister, &place, length);',
    '	if (!error)\n		make_durable(persister, &place, length - 1);',
  ],
  [
    'a copied page is not synced',
    '		memmove(to.address, from.address, length);\n		make_durable(persister, &to, length);',
    '		memmove(to.address, from.address, length);',
  ],
  [
    'a copy goes through the caches and is not flushed',
    'plain = nontemporal_copy(to.address, from.address, length);',
    'plain = (struct plain_bytes){ 0, 0 };\n		memmove(to.address, from.address, length);',
  ],
  [
    'what a copy has stored plainly is not flushed',
    '			flush_plain(persister, to.address, length, plain);',
    '			(void)plain;',
  ],
  ['the head of a copy is not flushed', '	if (plain.head)\n		flush_later(persister, to, plain.head);\n', ''],
  [
    'the tail of a copy is not flushed',
    '	if (plain.tail)\n		flush_later(persister, to + length - plain.tail, plain.tail);\n',
    '',
  ],
  [
    'the tail of a copy is looked for too early',
    'to + length - plain.tail, plain.tail',
    'to + length - CACHE_LINE_BYTES - plain.tail, plain.tail',
  ],
  [
    'a word is stored in halves',
    '	store64(to.address, value);',
    `	__atomic_store_n((uint32_t *)to.address, (uint32_t)value, __ATOMIC_RELEASE);
	__atomic_store_n((uint32_t *)to.address + 1, (uint32_t)(value >> 32), __ATOMIC_RELEASE);`,
  ],
  ['a stored word is not made durable', '	make_durable(persister, &to, sizeof(value));\n', ''],
  [
    'another line than that of a stored word is made durable',
    '	make_durable(persister, &to, sizeof(value));',
    '	to.address += CACHE_LINE_BYTES;\n	make_durable(persister, &to, sizeof(value));',
  ],
  ['a fence within a list is left out', '	case STEP_FENCE:\n		make_all_durable(persister);', '	case STEP_FENCE:'],
  [
    'the fence at the end of a list is left out',
    '	make_all_durable(persister);\n	persister->is_finished',
    '	persister->is_finished',
  ],
  [
    'a list that names failed memory is carried out',
    '	if (has_failed(steps, count))\n		return give(env, -EIO);',
    '',
    'native/persist',
  ],
  [
    'zeros go through the caches and are not flushed',
    'struct plain_bytes plain = nontemporal_zero(to->address, zeroing->length);',
    'struct plain_bytes plain = { 0, 0 };\n\n	memset(to->address, 0, zeroing->length);',
  ],
  ['plain zeros are not flushed', '		flush_plain(&persister, to->address, zeroing->length, plain);\n', ''],
  ['plain zeros are due, and not flushed', '		flush_due(&persister);\n	}\n	return', '	}\n	return'],
  ['nobody is told that zeros are to be synced', 'return to->how == PERSIST_PAGES;', 'return 0;'],
  [
    'zeros in the place of a bad page are taken for what it holds',
    'return !error && touches_replaced(mapping, offset, length) ? -EIO : error;',
    'return error;',
    'native/bad-pages',
  ],
  [
    'a bad page that is met at the end of a list is not told',
    'return persister->error ? persister->error : error;',
    'return persister->error;',
    'native/bad-pages',
  ],
])

const nontemporal = mutantsOf('src/native/nontemporal.c', [
  [
    'nobody is told to flush a short copy',
    '		memmove(to, from, length);\n		return (struct plain_bytes){ length, 0 };',
    '		memmove(to, from, length);\n		return (struct plain_bytes){ 0, 0 };',
  ],
  [
    'nobody is told to flush what is at the ends of a copy',
    '	memcpy(to + behind, from + behind, parts.tail);\n	return (struct plain_bytes){ parts.head, parts.tail };',
    '	memcpy(to + behind, from + behind, parts.tail);\n	return (struct plain_bytes){ 0, 0 };',
  ],
  [
    'head and tail are taken for each other',
    '	memcpy(to + behind, from + behind, parts.tail);\n	return (struct plain_bytes){ parts.head, parts.tail };',
    '	memcpy(to + behind, from + behind, parts.tail);\n	return (struct plain_bytes){ parts.tail, parts.head };',
  ],
  [
    'the body of a copy goes through the caches',
    'chosen->copy(to + parts.head, from + parts.head, parts.body / CACHE_LINE_BYTES);',
    'memcpy(to + parts.head, from + parts.head, parts.body);',
  ],
  [
    'the last line of the body goes through the caches',
    'chosen->copy(to + parts.head, from + parts.head, parts.body / CACHE_LINE_BYTES);',
    `chosen->copy(to + parts.head, from + parts.head, parts.body / CACHE_LINE_BYTES - 1);
	memcpy(to + behind - CACHE_LINE_BYTES, from + behind - CACHE_LINE_BYTES, CACHE_LINE_BYTES);`,
  ],
  [
    'nobody is told to flush short zeros',
    '		memset(to, 0, length);\n		return (struct plain_bytes){ length, 0 };',
    '		memset(to, 0, length);\n		return (struct plain_bytes){ 0, 0 };',
  ],
  [
    'nobody is told to flush what is at the ends of zeros',
    '	memset(to + parts.head + parts.body, 0, parts.tail);\n	return (struct plain_bytes){ parts.head, parts.tail };',
    '	memset(to + parts.head + parts.body, 0, parts.tail);\n	return (struct plain_bytes){ 0, 0 };',
  ],
  [
    'the body of zeros goes through the caches',
    'chosen->zero(to + parts.head, parts.body / CACHE_LINE_BYTES);',
    'memset(to + parts.head, 0, parts.body);',
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

const backing = mutantsOf(
  'src/native/backing.c',
  [
    ['files are not synced', 'error = sync_file(fd) ? errno : 0;', 'error = fd < 0;'],
    ['an error of a sync is dropped', '			backing->error = error;\n', ''],
    ['an error of a sync is not counted', '			count_failure();\n', ''],
    [
      'an error is forgotten with the next success',
      '		if (error && !backing->error) {',
      '		if (!error)\n			backing->error = 0;\n		else {',
      'native/backing',
    ],
    [
      'a sync that has begun before is enough',
      'needed = backing->begun + 1;',
      'needed = backing->begun > backing->ended ? backing->begun : backing->begun + 1;',
      'native/backing',
    ],
    ['the first sync is enough', 'needed = backing->begun + 1;', 'needed = 1;'],
    [
      'a sync counts as ended when it begins',
      '		backing->begun++;\n',
      '		backing->begun++;\n		backing->ended++;\n',
      'native/backing',
    ],
    ['files of one disk are taken for one', ' && backing->inode == file->st_ino', ''],
    ['a file is let go of with its first mapping', 'if (!--backing->mappings) {', '{'],
  ],
  ['native/persist'],
)

const mapping = mutantsOf('src/native/mapping.c', [
  ['what a mapping needs is not kept', '		m->how = way->how;\n', '		m->how = PERSIST_FENCE_ONLY;\n'],
  [
    'what a mapping needs once it is mapped again is not kept',
    '	m->backing = backing;\n	m->how = way->how;\n',
    '	m->backing = backing;\n',
    'native/persist',
  ],
  [
    'every mapping is taken for a copy',
    'way->how = flags & (MAPPING_READ_ONLY',
    'way->how = true || flags & (MAPPING_READ_ONLY',
  ],
  [
    'MAP_SYNC is left out',
    'way->flags = MAP_SHARED_VALIDATE | MAP_SYNC;',
    'way->flags = MAP_SHARED_VALIDATE;',
    'native/mapping',
  ],
  [
    'MAP_SYNC is asked for in the way in which the kernel ignores it',
    'way->flags = MAP_SHARED_VALIDATE | MAP_SYNC;',
    'way->flags = MAP_SHARED | MAP_SYNC;',
    'native/mapping',
  ],
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
    'this.#list.words[0] = count\n',
    'this.#list.words[0] = Math.max(0, count - 1)\n',
  ],
  ['order does nothing', '    this.#step(STEP_FENCE)\n', ''],
  ['zeros are not synced', '      if (result > 0) this.#flush(window, at, part)\n', ''],
  [
    'a line of the log is appended where it does not belong',
    'list[last + 2]! + list[last + 3]! === at &&\n',
    '',
    'pmem/mapped-medium',
  ],
  [
    'fences never reach the helper',
    'const error = native.persist(this.#list.mapping, 0)',
    'const error = 0 as number',
  ],
  [
    'what a load has found in the place of a bad block becomes durable',
    '    if (attention() !== this.#attended) this.check()\n    this.#carryOut',
    '    this.#carryOut',
    'pmem/bad-blocks',
  ],
])

/** Below the shadow: what the released helper is compiled to. */
const primitives = mutantsOf(
  'src/native/primitives.h',
  [
    ['clwb is left out', '	_mm_clwb((void *)line);', '	(void)line;'],
    ['clflushopt is another instruction', '_mm_clflushopt((void *)line)', '_mm_clflush((void *)line)'],
    ['clflush is left out', '	_mm_clflush((void *)line);', '	(void)line;'],
    ['sfence is left out', '	_mm_sfence();', ''],
    ['sfence is a fence of loads', '	_mm_sfence();', '	_mm_lfence();'],
    ['sse2 stores go through the caches', '_mm_stream_si128(', '_mm_store_si128('],
    ['avx2 stores go through the caches', '_mm256_stream_si256(', '_mm256_store_si256('],
    ['avx512 stores go through the caches', '_mm512_stream_si512(', '_mm512_store_si512('],
    [
      'an 8-byte store is two',
      '	__atomic_store_n((uint64_t *)to, value, __ATOMIC_RELEASE);',
      `	__atomic_store_n((uint32_t *)to, (uint32_t)value, __ATOMIC_RELEASE);
	__atomic_store_n((uint32_t *)to + 1, (uint32_t)(value >> 32), __ATOMIC_RELEASE);`,
    ],
    [
      'an 8-byte store is copied by bytes',
      '	__atomic_store_n((uint64_t *)to, value, __ATOMIC_RELEASE);',
      '	for (int n = 0; n < 8; n++)\n		((volatile char *)to)[n] = (char)(value >> 8 * n);',
    ],
    ['fdatasync is left out', '	return fdatasync(fd);', '	return (void)fd, 0;', 'native/persist'],
    [
      'pages are written, and the disk is not told to write its cache',
      '	return fdatasync(fd);',
      '	int sync_file_range(int, off64_t, off64_t, unsigned int);\n\n	return sync_file_range(fd, 0, 0, 7);',
      'pmem/device-flushes',
    ],
  ],
  ['native/primitives'],
)

/** The kernels, of which a processor runs one. */
const kernels = mutantsOf(
  'src/native/nontemporal.c',
  [
    [
      'one of the stores of sse2 goes through the caches',
      'stream_128(to + 48, d);',
      'memcpy(to + 48, &d, 16);',
    ],
    [
      'one of the stores of avx2 goes through the caches',
      'stream_256(to + 32, b);',
      'memcpy(to + 32, &b, 32);',
    ],
    ['avx2 zeroes half of each line', '		stream_256(to + 32, zero);\n', ''],
  ],
  ['native/primitives'],
)

/** Files on DAX: where MAP_SYNC is granted, and which windows have it. */
const dax = mutantsOf(
  'src/pmem/device.ts',
  [
    ['windows are mapped without MAP_SYNC', '(syncs ? MAP_SYNC : 0) | domain.how', 'domain.how'],
    [
      'windows are mapped without MAP_SYNC once they are mapped again',
      'native.remap(window, source, offsetBytes, windowFlags(mode, storing))',
      'native.remap(window, source, offsetBytes, windowFlags(mode, storing & ~MAP_SYNC))',
    ],
    [
      'MAP_SYNC counts as granted wherever a mapping is',
      'const syncs = tryMapping(opened, MAP_SYNC)',
      'const syncs = tryMapping(opened, 0)',
    ],
  ],
  ['shadow/map-sync'],
)

/** Each window says how its device is made durable. */
const device = mutantsOf('src/pmem/device.ts', [
  ['windows never say how', '(syncs ? MAP_SYNC : 0) | domain.how', 'syncs ? MAP_SYNC : 0'],
  ['windows always say fence only', '(syncs ? MAP_SYNC : 0) | domain.how', '(syncs ? MAP_SYNC : 0) | 8'],
  ['windows always say pages', '(syncs ? MAP_SYNC : 0) | domain.how', '(syncs ? MAP_SYNC : 0) | 16'],
])

/** What decides how a device is made durable. */
const decisions = mutantsOf(
  'src/pmem/persistence-domain.ts',
  [
    [
      'caches are taken for persistent wherever memory is mapped directly',
      "if (isDirect) return folder !== null && isCachePersistent(folder) ? 'fence-only' : 'cache-lines'",
      "if (isDirect) return 'fence-only'",
    ],
    [
      'a file or device behind the page cache is made durable by lines',
      "return ramOfFile(found) !== null ? 'cache-lines' : 'pages'",
      "return 'cache-lines'",
    ],
    [
      'what lies on a RAM disk is taken for durable',
      'return ramOfFile(found) ?? underlay.ramBelowFile(openName(found.path))',
      'return ramOfFile(found)',
    ],
    [
      'what lies above dropped flushes is taken for durable',
      "flushesDropped === null ? 'nothing' : 'unflushed'",
      "flushesDropped === null ? 'nothing' : 'nothing'",
    ],
    ['what cannot be seen into is taken for durable', "  if (unseen !== null) return 'unknown'\n", ''],
    [
      'MAP_SYNC counts as granted for every file',
      "(found.kind === 'devdax' || found.syncs)",
      "(found.kind !== 'block' || found.syncs)",
    ],
    [
      'all devdax is persistent',
      "return folder !== null && isOnNvdimmBus(folder) ? null : 'no NVDIMM'",
      'return null',
    ],
    ['devdax of virtio-pmem is durable', "isVirtual && found.kind === 'devdax'", 'false'],
    [
      'virtio-pmem is to be turned into devdax',
      "found.kind === 'block' ? isWhole && !isVirtual : isNeverDurable",
      "found.kind === 'block' ? isWhole : isNeverDurable",
    ],
    ['a partition is to be turned into devdax', 'isWhole && !isVirtual', '!isVirtual'],
  ],
  ['pmem/persistence-domain'],
)

/** What is read from /sys for that. */
const facts = mutantsOf(
  'src/pmem/device-facts.ts',
  [
    [
      'what no region says is taken for eADR',
      "if (domain !== null) return domain === 'cpu_cache'",
      'if (domain !== null) return true',
    ],
    ['the strongest of stacked devices counts', 'slaves.every((slave)', 'slaves.some((slave)'],
    ['virtio-pmem is not recognized', '/\\/virtio\\d+\\/ndbus\\d+\\//', '/\\/virtio\\/ndbus\\d+\\//'],
    [
      'memory on any bus counts as an NVDIMM',
      'return /\\/ndbus\\d+\\//.test(folder)',
      'return /\\/\\w+\\//.test(folder)',
    ],
  ],
  ['pmem/device-facts'],
)

/** The steps of growing, and their order. */
const growth = mutantsOf(
  'src/fs/grow.ts',
  [
    [
      'the bitmap of what is gained need not be durable before the volume has that',
      '    for (const segment of added) makeBitmap(medium, next, segment)\n    medium.fence()',
      '    for (const segment of added) makeBitmap(medium, next, segment)',
    ],
    [
      'what joins is made ready after the volume has it',
      `  prepare(current, next)
  renewCopies(medium, current, addedBy(current, next))
  enter()
  write((superblock) => addGains(superblock, gains))`,
      `  const before = new Superblock(current.words.slice())
  enter()
  write((superblock) => addGains(superblock, gains))
  prepare(before, next)`,
    ],
    [
      'what was made ready before keeps its copy of the superblock, however old',
      '  renewCopies(medium, current, addedBy(current, next))\n',
      '',
    ],
    ['a copy of the superblock that is behind stays so', '  levelCopies(medium, superblock)\n', ''],
  ],
  ['fs/power-failure-growth'],
)

/** What a server that was killed has stored, the next one makes durable before it relies on it. */
const killed = [
  [
    'src/fs/recovery.ts',
    'the end of a transaction',
    '  else medium.flush(lane, laneHeader.word.generation * 4, 8)\n',
  ],
  [
    'src/fs/superblock-copies.ts',
    'a copy of the superblock',
    '    for (const block of newest) medium.flush(block, 0, blockBytes)\n',
  ],
  ['src/fs/device-header.ts', 'a header', 'medium.flush(block, 0, blockBytes)', 'block'],
].flatMap(([file, what, text, by = '']) =>
  mutantsOf(file!, [[`${what} is taken for durable`, text!, by]], ['fs/power-failure-killed']),
)

/** Each device of a volume is held to what it was mounted with. */
const holding = mutantsOf(
  'src/pmem/device-set.ts',
  [
    ['only the first device is asked', 'devices.forEach((device) => check(device))', 'check(devices[0]!)'],
    ['only the last device is asked', 'devices.forEach((device) => check(device))', 'check(devices.at(-1)!)'],
  ],
  ['mount/require-dax'],
)

/** What a remount asks for is held against all of them. */
const remounting = mutantsOf(
  'src/daemon/live-mount.ts',
  [
    [
      'one device that is mapped directly stands for all',
      'isDirect: devices.every(',
      'isDirect: devices.some(',
    ],
  ],
  ['mount/require-dax'],
)

/** Devices that join a mounted volume are held to what its own were held to. */
const joining = mutantsOf(
  'src/api/opened-volume.ts',
  [
    [
      'a device that joins need not be mapped directly',
      'exclusive: true, ...parts })',
      'exclusive: true, mapper: parts.mapper })',
    ],
  ],
  ['mount/require-dax'],
)

export const durability: readonly Mutant[] = [
  ...persist,
  ...nontemporal,
  ...flush,
  // A thread returns without a sync, and the test waits for one.
  ...withHanging(backing, 'a sync counts as ended when it begins'),
  ...mapping,
  ...primitives,
  ...kernels,
  ...medium,
  ...dax,
  ...device,
  ...decisions,
  ...facts,
  ...growth,
  ...superblock,
  ...killed,
  ...holding,
  ...remounting,
  ...joining,
]
