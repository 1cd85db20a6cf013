# SPDX-License-Identifier: GPL-2.0-only
"""
Files of a volume whose device has bad blocks.

    write FILE BLOCKS            fills it with blocks that tell where they belong
    judge FILE BLOCKS [BAD...]   each block is what was written, but for the bad ones, which cannot be read (EIO)
    block INDEX                  of a file whose blocks `pmfs2-fuse dump ... blocks N --json` gives: prints the number
"""
import errno
import json
import os
import sys

BLOCK = 4096


def contents(path, index):
    line = b"%s block %d\n" % (os.path.basename(path).encode(), index)
    return (line * (BLOCK // len(line) + 1))[:BLOCK]


def write(path, blocks):
    with open(path, "wb") as file:
        for index in range(int(blocks)):
            file.write(contents(path, index))


def judge(path, blocks, *bad):
    file = os.open(path, os.O_RDONLY)
    # A page that is read ahead would not show that it can be read by itself.
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
    wrong = []
    for index in range(int(blocks)):
        expected = "EIO" if str(index) in bad else "its contents"
        try:
            found = os.pread(file, BLOCK, index * BLOCK)
            got = "its contents" if found == contents(path, index) else "other bytes"
        except OSError as error:
            got = errno.errorcode[error.errno]
        if got != expected:
            wrong.append(f"block {index} gives {got} in place of {expected}")
    return "; ".join(wrong)


def block(index):
    for row in json.load(sys.stdin)[0]["rows"]:
        if row["index"] <= int(index) < row["index"] + row["count"]:
            print(row["block"] + int(index) - row["index"])
            return ""
    return f"there is no block {index}"


sys.exit({"write": write, "judge": judge, "block": block}[sys.argv[1]](*sys.argv[2:]) or 0)
