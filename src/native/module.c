/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The addon's face: the names of index.ts bound to the calls. Invariant: it may be loaded by any
 * number of threads, as all that is chosen or installed for the process is so once.
 */
#include <pthread.h>

#include "flush.h"
#include "native.h"

static void learn_machine(void)
{
	choose_flush();
	choose_nontemporal();
	learn_page_size();
}

NAPI_MODULE_INIT()
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static const struct {
		const char *name;
		napi_callback call;
	} calls[] = {
		{ "map", call_map },
		{ "adopt", call_adopt },
		{ "mapOver", call_map_over },
		{ "bytesBefore", call_bytes_before },
		{ "remap", call_remap },
		{ "dropPages", call_drop_pages },
		{ "mapAnonymous", call_map_anonymous },
		{ "memoryFile", call_memory_file },
		{ "unmap", call_unmap },
		{ "view", call_view },
		{ "failures", call_failures },
		{ "badPages", call_bad_pages },
		{ "load", call_load },
		{ "failureOf", call_failure_of },
		{ "setApart", call_set_apart },
		{ "flushInstruction", call_flush_instruction },
		{ "persist", call_persist },
		{ "zero", call_zero },
		{ "futexWait", call_futex_wait },
		{ "futexWake", call_futex_wake },
		{ "pin", call_pin },
		{ "threadId", call_thread_id },
		{ "readClock", call_read_clock },
		{ "interruptThread", call_interrupt_thread },
		{ "nameThread", call_name_thread },
		{ "mount", call_mount },
		{ "umount", call_umount },
		{ "fusermount", call_fusermount },
		{ "watchMounts", call_watch_mounts },
		{ "exchange", call_exchange },
		{ "openRing", call_open_ring },
		{ "closeRing", call_close_ring },
		{ "registerEntry", call_register_entry },
		{ "exchangeRing", call_exchange_ring },
		{ "submitRing", call_submit_ring },
		{ "lockFile", call_lock_file },
		{ "blockDeviceBytes", call_block_device_bytes },
		{ "allocate", call_allocate },
		{ "punchHole", call_punch_hole },
		{ "allocatedBytes", call_allocated_bytes },
		{ "fileExtents", call_file_extents },
		{ "isBehindLoop", call_is_behind_loop },
		{ "connectAbstract", call_connect_abstract },
		{ "peerProcess", call_peer_process },
		{ "peerUser", call_peer_user },
	};

	pthread_once(&once, learn_machine);
	accept_interrupts();
	survive_faults();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		napi_property_descriptor property = {
			.utf8name = calls[i].name,
			.method = calls[i].call,
			.attributes = napi_enumerable,
		};

		if (napi_define_properties(env, exports, 1, &property) != napi_ok)
			return NULL;
	}
	return exports;
}
