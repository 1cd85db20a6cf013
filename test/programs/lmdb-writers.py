# SPDX-License-Identifier: GPL-2.0-only
"""LMDB: processes that write in turn, others that read what is mapped meanwhile. Arguments: folder, transactions."""

import os
import sys

import lmdb

folder, rounds = sys.argv[1], int(sys.argv[2])
writers = 2


def opened():
    return lmdb.open(folder, map_size=1 << 28, subdir=True, max_readers=16)


def write(writer):
    env = opened()
    for number in range(rounds):
        with env.begin(write=True) as transaction:
            count = int(transaction.get(b"count", b"0")) + 1
            transaction.put(b"count", b"%d" % count)
            transaction.put(b"%d-%d" % (writer, number), os.urandom(100 + number % 3000))


def read():
    env = opened()
    last = 0
    while last < writers * rounds:
        with env.begin() as transaction:
            count = int(transaction.get(b"count", b"0"))
            entries = transaction.stat()["entries"]
            assert entries == count + (1 if count else 0), (entries, count)
            # A reader that has waited between asking which transaction was the last and looking at its root finds a
            # later one there, perhaps one that has not ended yet. What it asked for never goes back.
            asked = transaction.id()
            assert count >= asked >= last, (count, asked, last)
            last = asked


children = []
for work in [lambda: write(0), lambda: write(1), read]:
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    children.append(child)
sys.exit(any([os.waitpid(child, 0)[1] for child in children]))
