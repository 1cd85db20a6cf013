# SPDX-License-Identifier: GPL-2.0-only
"""
Fills a volume with one file, takes the file away, and at once writes as much again, or asks how much space there is:
the directory and the number of rounds are arguments. Prints, as JSON, how often there was no space, by how the file was
taken away, and whether statfs(2) lags behind. It runs in a
process of its own without a word to anybody in between, because what it looks for is a matter of microseconds.
"""
import errno
import json
import os
import sys

mebibyte = 1 << 20
data = b"x" * mebibyte


def fill(fd):
    """Writes until there is no space. Returns the bytes written."""
    written = 0
    try:
        while True:
            written += os.pwrite(fd, data, written)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return written


def has_room(fd, wanted):
    written = 0
    try:
        while written < wanted:
            written += os.pwrite(fd, data[: wanted - written], written)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


def lags_behind(directory, count):
    """
    Removes files, and asks at once how much space there is. Returns whether that was not yet as before more than now and
    then: a server waits for it, but not for ever, and its threads may get no processor meanwhile.
    """
    path = os.path.join(directory, "small")
    missing = 0
    # The directory keeps the block that its first name takes.
    os.close(os.open(path, os.O_CREAT))
    os.unlink(path)
    for n in range(count):
        before = os.statvfs(directory).f_bfree
        small = os.open(path, os.O_CREAT | os.O_RDWR)
        os.pwrite(small, data[:65536], 0)
        if n % 3 == 0:
            os.close(small)
        os.unlink(path)
        if n % 3 == 1 and os.statvfs(directory).f_bfree > before - 16:
            missing += 1
        if n % 3 > 0:
            os.close(small)
        if os.statvfs(directory).f_bfree < before:
            missing += 1
    return missing > count // 10


def rounds(directory, count):
    path = os.path.join(directory, "large")
    other = os.open(os.path.join(directory, "other"), os.O_CREAT | os.O_RDWR)
    failures = {"unlinked": 0, "unlinked, then closed": 0, "replaced": 0}
    for _ in range(count):
        for how in failures:
            os.ftruncate(other, 0)
            large = os.open(path, os.O_CREAT | os.O_RDWR)
            size = fill(large)
            if how == "unlinked, then closed":
                os.unlink(path)
                os.close(large)
            else:
                os.close(large)
                os.unlink(path)
            target = os.open(path, os.O_CREAT | os.O_RDWR) if how == "replaced" else other
            if not has_room(target, size - mebibyte):
                failures[how] += 1
            if how == "replaced":
                os.close(target)
                os.unlink(path)
    held = os.open(path, os.O_CREAT | os.O_RDWR)
    os.ftruncate(other, 0)
    fill(held)
    os.unlink(path)
    failures["still open"] = 0 if has_room(other, mebibyte) else 1
    os.close(held)
    return failures


directory, count = sys.argv[1], int(sys.argv[2])
lags = lags_behind(directory, 20 * count)
print(json.dumps({**rounds(directory, count), "statfs lags behind": lags}))
