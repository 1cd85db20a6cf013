# SPDX-License-Identifier: GPL-2.0-only
"""
Plants one loss after the other in what guest/power-load.py has made, has it judged, and mends it.

    planted-losses.py SCRIPT SEED WORKERS TOLD DIRECTORY

Prints for each what the judgement says of it, and "mended" once it says nothing any more.
"""
import contextlib
import importlib.util
import io
import os
import stat
import sys

spec = importlib.util.spec_from_file_location("load", sys.argv[1])
load = importlib.util.module_from_spec(spec)
spec.loader.exec_module(load)
seed, workers, told, directory = sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]
base = f"{directory}/round-0"
ZEROS = bytes(load.BLOCK)
aside = f"{directory}/aside"


def model():
    """What has to be there: paths of all processes, and what they are."""
    with open(told, "rb") as file:
        counts = load.struct.unpack(f"<{workers}Q", file.read())
    items = {}
    for number, count in enumerate(counts):
        worker = load.Worker(seed, 0, 0, number)
        for _ in range(count):
            worker.apply(worker.next())
        items |= worker.items
    return items


items = model()


def any_of(kind, fits=lambda item: True):
    """The path of one, and what it is."""
    return next((f"{base}/{path}", item) for path, item in items.items() if item.kind == kind and fits(item))


def overwrite(path, offset, data):
    load.with_file(path, 0, lambda fd: load.write_all(fd, data, offset))


def allocate(path, mode, block):
    load.with_file(path, 0, lambda fd: load.fallocate(fd, mode | load.KEEP_SIZE, block * load.BLOCK, load.BLOCK))


@contextlib.contextmanager
def same_times(path):
    found = os.stat(path)
    yield
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


@contextlib.contextmanager
def a_byte():
    path, item = any_of("file", lambda item: len(item.data) > 100)
    with same_times(path):
        overwrite(path, 77, bytes([item.data[77] ^ 1]))
    yield
    with same_times(path):
        overwrite(path, 77, item.data[77:78])


@contextlib.contextmanager
def the_last_byte():
    # Without blocks behind the end, which a shorter file loses.
    path, item = any_of("file", lambda item: item.data and item.blocks == load.blocks_of(0, len(item.data)))
    with same_times(path):
        os.truncate(path, len(item.data) - 1)
    yield
    with same_times(path):
        overwrite(path, len(item.data) - 1, item.data[-1:])


def zero_block(item):
    """The number of a block that is allocated, lies within the file as a whole, and is zeros; or None."""
    starts = {block: block * load.BLOCK for block in sorted(item.blocks)}
    return next((block for block, at in starts.items() if item.data[at : at + load.BLOCK] == ZEROS), None)


@contextlib.contextmanager
def blocks():
    # A single one, of a file whose attributes take none.
    path, item = any_of("file", lambda item: not item.xattrs and zero_block(item) is not None)
    with same_times(path):
        allocate(path, load.PUNCH_HOLE, zero_block(item))
    yield
    with same_times(path):
        allocate(path, 0, zero_block(item))


@contextlib.contextmanager
def mode_of(kind):
    path, item = any_of(kind)
    os.chmod(path, item.mode ^ stat.S_IRGRP)
    yield
    os.chmod(path, item.mode)


def the_mode():
    return mode_of("file")


def the_mode_of_a_directory():
    return mode_of("directory")


@contextlib.contextmanager
def the_owner():
    path, item = any_of("file")
    os.chown(path, -1, item.owner[1] + 1)
    yield
    os.chown(path, *item.owner)
    os.chmod(path, item.mode)


@contextlib.contextmanager
def the_time():
    path, item = any_of("file", lambda item: item.mtime is not None)
    os.utime(path, ns=(0, item.mtime + 1))
    yield
    os.utime(path, ns=(0, item.mtime))


@contextlib.contextmanager
def an_attribute():
    path, item = any_of("file", lambda item: item.xattrs)
    name = next(iter(item.xattrs))
    os.removexattr(path, name)
    yield
    os.setxattr(path, name, item.xattrs[name])


@contextlib.contextmanager
def the_value_of_an_attribute():
    path, item = any_of("file", lambda item: any(item.xattrs.values()))
    name = next(name for name, value in item.xattrs.items() if value)
    os.setxattr(path, name, item.xattrs[name][:-1])
    yield
    os.setxattr(path, name, item.xattrs[name])


@contextlib.contextmanager
def a_link():
    path, _ = any_of("file")
    os.link(path, aside)
    yield
    os.unlink(aside)


@contextlib.contextmanager
def the_target():
    path, item = any_of("link")
    os.unlink(path)
    os.symlink(item.target + "t", path)
    yield
    os.unlink(path)
    os.symlink(item.target, path)


@contextlib.contextmanager
def the_kind():
    path, _ = any_of("file")
    os.rename(path, aside)
    os.mkdir(path)
    yield
    os.rmdir(path)
    os.rename(aside, path)


@contextlib.contextmanager
def a_stray_name():
    os.mkdir(f"{base}/shared/x")
    yield
    os.rmdir(f"{base}/shared/x")


def judgement():
    """The lines that say what is wrong."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        load.judge(seed, 0, workers, told, [directory])
    return [line for line in output.getvalue().splitlines() if line.startswith("#")]


for loss in (
    a_byte,
    the_last_byte,
    blocks,
    the_mode,
    the_mode_of_a_directory,
    the_owner,
    the_time,
    an_attribute,
    the_value_of_an_attribute,
    a_link,
    the_target,
    the_kind,
    a_stray_name,
):
    with loss():
        print(loss.__name__, *judgement())
    print(*judgement() or ["mended"])
