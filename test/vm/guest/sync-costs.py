# SPDX-License-Identifier: GPL-2.0-only
"""
What it takes to make pages of a mapped block device durable, in microseconds: one page by fdatasync(2), two by one
fdatasync(2), and two by an msync(2) of each. It overwrites the device.
"""
import json
import mmap
import os
import sys
import time

PAGE = 4096
PAGES = 256
ROUNDS = 3000


def mean(memory, pages, sync):
    begin = time.perf_counter()
    for round_number in range(ROUNDS):
        places = [(round_number * pages + n) % PAGES * PAGE for n in range(pages)]
        for place in places:
            memory[place : place + PAGE] = bytes([round_number & 0xFF]) * PAGE
        sync(places)
    return (time.perf_counter() - begin) / ROUNDS * 1e6


def main(device):
    file = os.open(device, os.O_RDWR)
    memory = mmap.mmap(file, PAGES * PAGE)
    by_file = lambda places: os.fdatasync(file)
    by_page = lambda places: [memory.flush(place, PAGE) for place in places]
    ways = {"none": (1, lambda places: None), "one": (1, by_file), "two": (2, by_file), "each": (2, by_page)}
    print(json.dumps({name: mean(memory, *way) for name, way in ways.items()}))


main(sys.argv[1])
