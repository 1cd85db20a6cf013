# SPDX-License-Identifier: GPL-2.0-only
"""Makes many requests of one kind: request-storm.py KIND DIRECTORY COUNT. Each system call costs just one request."""
import ctypes
import mmap
import os
import sys

kind, directory, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
BLOCK = 4096
BLOCKS = 256
AT_STATX_FORCE_SYNC = 0x2000
STATX_BASIC_STATS = 0x7FF
data = f"{directory}/data"


def make():
    """The names that `lookup` looks up on a later mount, and the data."""
    with open(data, "wb") as file:
        file.write(bytes(BLOCK * BLOCKS))
    for n in range(count):
        os.mknod(f"{directory}/{n}")


def lookup():
    for n in range(count):
        os.access(f"{directory}/{n}", os.F_OK)


def missing():
    for n in range(count):
        os.access(f"{directory}/missing-{n}", os.F_OK)


def getattr_():
    statx = ctypes.CDLL(None, use_errno=True).statx
    path, result = data.encode(), ctypes.create_string_buffer(256)
    for _ in range(count):
        if statx(-100, path, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, result):
            raise OSError(ctypes.get_errno(), "statx")


def transfer(call, flags):
    fd = os.open(data, flags | os.O_DIRECT)
    with mmap.mmap(-1, BLOCK) as aligned:
        for n in range(count):
            call(fd, [aligned], n % BLOCKS * BLOCK)
    os.close(fd)


{
    "make": make,
    "LOOKUP": lookup,
    "LOOKUP of what is not there": missing,
    "GETATTR": getattr_,
    "READ": lambda: transfer(os.preadv, os.O_RDONLY),
    "WRITE": lambda: transfer(os.pwritev, os.O_WRONLY),
}[kind]()
