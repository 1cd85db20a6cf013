# SPDX-License-Identifier: GPL-2.0-only
"""
What a server does between reading a WRITE of 4 KiB from /dev/fuse and answering it, by the kernel's trace events, as
JSON: medians in microseconds, and means of counts. Something else has to write meanwhile. The rest is what is neither
a page fault nor fdatasync(2).
"""
import json
import os
import re
import statistics
import subprocess
import time

TRACING = "/sys/kernel/tracing"
EVENTS = (
    *(f"syscalls/sys_{end}_{call}" for call in ("read", "write", "writev", "fdatasync") for end in ("enter", "exit")),
    "exceptions/page_fault_user",
    "tlb/tlb_flush",
    "kprobes/fault_end",
)
#: The return of what handles a page fault of a mapping (mm/memory.c).
PROBE = "r:kprobes/fault_end handle_mm_fault"
SECONDS = 3
#: struct fuse_in_header and struct fuse_write_in, and the data (linux/fuse.h).
WRITE_BYTES = 40 + 40 + 4096
LINE = re.compile(r"-\d+ +\[\d+\] \S+ +(?P<seconds>[\d.]+): (?P<what>.*)")


def put(name, text):
    with open(f"{TRACING}/{name}", "w", encoding="ascii") as file:
        file.write(text)


def thread_named(comm):
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            for thread in os.listdir(f"/proc/{process}/task"):
                with open(f"/proc/{process}/task/{thread}/comm", encoding="utf-8") as file:
                    if file.read().strip() == comm:
                        return thread
        except (FileNotFoundError, ProcessLookupError):
            # It has ended by now.
            continue
    raise SystemExit(f"there is no thread {comm}")


def record(thread):
    """The events of a thread in the order in which they came, as (microseconds, text)."""
    if not os.path.ismount(TRACING):
        subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACING], check=True)
    put("trace_clock", "mono")
    put("set_event_pid", thread)
    put("trace", "")
    put("kprobe_events", PROBE)
    for event in EVENTS:
        put(f"events/{event}/enable", "1")
    time.sleep(SECONDS)
    for event in EVENTS:
        put(f"events/{event}/enable", "0")
    with open(f"{TRACING}/trace", encoding="utf-8") as file:
        found = filter(None, map(LINE.search, file))
        return [(float(line["seconds"]) * 1e6, line["what"]) for line in found]


def steps(events):
    """Of each WRITE: when it was read, when it was answered, and what came between."""
    begin, between = None, []
    for at, what in events:
        if what == f"sys_read -> {WRITE_BYTES:#x}":
            begin, between = at, []
        elif begin is not None and re.match(r"sys_writev?\(", what):
            yield begin, at, between
            begin = None
        else:
            between.append((at, what))


def summed(events, begin, end):
    """The time between events that begin so and those that end so."""
    began = [at for at, what in events if what.startswith(begin)]
    ended = [at for at, what in events if what.startswith(end)]
    return sum(ended) - sum(began) if len(began) == len(ended) else 0


def counted(events, pattern):
    return sum(re.match(pattern, what) is not None for _, what in events)


def main():
    writes = list(steps(record(thread_named("pmfs2-0"))))
    whole = [end - begin for begin, end, _ in writes]
    syncs = [summed(between, "sys_fdatasync(", "sys_fdatasync ->") for _, _, between in writes]
    faults = [summed(between, "page_fault_user", "fault_end") for _, _, between in writes]
    rests = [all_of_it - sync - fault for all_of_it, sync, fault in zip(whole, syncs, faults)]
    print(
        json.dumps(
            {
                "writes": len(writes),
                "whole": statistics.median(whole),
                "sync": statistics.median(syncs),
                "fault": statistics.median(faults),
                "rest": statistics.median(rests),
                "faults": statistics.mean(counted(between, "page_fault_user") for _, _, between in writes),
                "interrupts": statistics.mean(counted(between, "tlb_flush: .*remote") for _, _, between in writes),
            }
        )
    )


main()
