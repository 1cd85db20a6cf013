# SPDX-License-Identifier: GPL-2.0-only
"""
Load for cutting the power, and the judgement of what is left.

    power-load.py load ROUND SEED WORKERS TOLD DIRECTORY... [--operations N]
    power-load.py judge ROUND SEED WORKERS TOLD DIRECTORY...

In each directory, so many processes change files: each under names of its own, in directories of its own and in one that
all share. What a process does follows from the seed alone. After each operation, and before the next one, it stores the
number of those that are done in its word of the file TOLD, which lies on the host. `judge` works out from this number what
has to be there, and nothing else. The operation after the last one may be there or not; one that changes data may have
changed some of its bytes, eight at a time. Both print TAP. Another process removes what earlier rounds left, except for
the first one.
"""
import copy
import ctypes
import os
import random
import re
import shutil
import stat
import struct
import sys
import traceback
import typing

libc = ctypes.CDLL("libc.so.6", use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
MOST_BYTES = 1 << 17
MOST_NAMES = 8
MOST_FOLDERS = 4
# What a store to persistent memory changes whole or not at all.
ATOM = 8
BLOCK = 4096
# More than so many bytes of attributes do not fit into an inode, and of one value into the block of all attributes.
IN_INODE, IN_BLOCK = 128, 2048
OURS = os.geteuid(), os.getegid()
# Only root can give a file away.
OWNERS = (OURS, (1000, 100), (65534, 7)) if OURS[0] == 0 else (OURS,)


class Item:
    """A file, directory or symbolic link. Names of one file share it."""

    def __init__(self, kind, mode, target=""):
        self.kind = kind
        self.mode = mode
        self.target = target
        self.owner = OURS
        self.data = bytearray()
        self.xattrs = {}
        # In ns; None: by the clock.
        self.mtime = None
        # Numbers of the blocks that the file has to have, whatever is in them.
        self.blocks = set()

    def held(self):
        """Blocks that it holds at least: its own, a node above any but the first, and those of its attributes."""
        lengths = [len(value) for value in self.xattrs.values()]
        has_node = max(self.blocks, default=0) > 0
        return len(self.blocks) + has_node + (sum(lengths) > IN_INODE) + sum(length > IN_BLOCK for length in lengths)


class State(typing.NamedTuple):
    """What a path is: as it was found, or as it has to be."""
    kind: str
    mode: int
    links: int
    target: str
    data: bytes
    xattrs: dict
    owner: tuple = OURS
    # As it has to be, None: any.
    mtime: typing.Optional[int] = None
    # Blocks that it holds; as it has to be, so many at least.
    blocks: int = 0


def contents(length, seed):
    return random.Random(seed).randbytes(length)


class Worker:
    """One process: its model, and the operation that comes next."""

    def __init__(self, seed, round_number, place, number):
        self.random = random.Random(f"{seed} {round_number} {place} {number}")
        self.own = f"worker-{number}"
        self.prefix = f"{number}-"
        self.items = {self.own: Item("directory", 0o755)}
        self.choices = [
            choice
            for choice, weight in (
                (self.create, 6),
                (self.append, 6),
                (self.write, 8),
                (self.rename, 5),
                (self.unlink, 3),
                (self.truncate, 3),
                (self.fallocate, 5),
                (self.setxattr, 4),
                (self.removexattr, 1),
                (self.link, 2),
                (self.symlink, 1),
                (self.mkdir, 1),
                (self.rmdir, 1),
                (self.rename_directory, 1),
                (self.chmod, 2),
                (self.chown, 2),
                (self.utime, 2),
            )
            for _ in range(weight)
        ]

    def next(self):
        """The name of an operation and its arguments."""
        while True:
            operation = self.random.choice(self.choices)()
            if operation is not None:
                return operation

    # What to choose from, in the order in which it came to be.

    def of_kind(self, *kinds):
        return [path for path, item in self.items.items() if item.kind in kinds]

    def folders(self):
        return [path for path in self.of_kind("directory") if path != self.own]

    def any_file(self):
        files = self.of_kind("file")
        return self.random.choice(files) if files else None

    def any_path(self):
        folder = self.random.choice(["shared", self.own, *self.folders()])
        return f"{folder}/{self.prefix}{self.random.randrange(MOST_NAMES)}"

    def free_path(self):
        path = self.any_path()
        return None if path in self.items else path

    def free_folder(self):
        path = f"{self.own}/folder-{self.random.randrange(MOST_FOLDERS)}"
        return None if path in self.items else path

    def range(self):
        offset = self.random.randrange(MOST_BYTES)
        length = 1 + self.random.randrange(self.random.choice((64, 4096, 1 << 15)))
        if self.random.randrange(3) == 0:
            offset &= -4096
        return offset, min(length, MOST_BYTES - offset)

    # Operations. None: nothing that this could be done to.

    def create(self):
        path = self.free_path()
        return path and ("create", path, self.random.choice((0o600, 0o644, 0o755)))

    def append(self):
        path = self.any_file()
        if path is None or len(self.items[path].data) > MOST_BYTES:
            return None
        return "append", path, self.range()[1], self.random.randrange(1 << 30)

    def write(self):
        path = self.any_file()
        return path and ("write", path, *self.range(), self.random.randrange(1 << 30))

    def truncate(self):
        path = self.any_file()
        return path and ("truncate", path, self.random.randrange(MOST_BYTES))

    def fallocate(self):
        path = self.any_file()
        mode = self.random.choice((0, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE))
        return path and ("fallocate", path, mode, *self.range())

    def setxattr(self):
        path = self.any_file()
        length = self.random.randrange(self.random.choice((20, 300, 3000)))
        return path and (
            "setxattr",
            path,
            f"user.name-{self.random.randrange(4)}",
            length,
            self.random.randrange(1 << 30),
        )

    def removexattr(self):
        path = self.any_file()
        names = path and list(self.items[path].xattrs)
        return ("removexattr", path, self.random.choice(names)) if names else None

    def chmod(self):
        path = self.any_file()
        return path and ("chmod", path, self.random.choice((0o600, 0o640, 0o711, 0o4755)))

    def chown(self):
        path = self.any_file()
        return path and ("chown", path, *self.random.choice(OWNERS))

    def utime(self):
        path = self.any_file()
        return path and ("utime", path, self.random.randrange(1 << 60))

    def link(self):
        path, to = self.any_file(), self.free_path()
        return ("link", path, to) if path and to else None

    def symlink(self):
        path = self.free_path()
        return path and ("symlink", path, "t" * (1 + self.random.randrange(200)))

    def mkdir(self):
        path = self.free_folder()
        return path and ("mkdir", path)

    def rmdir(self):
        empty = [path for path in self.folders() if not any(other.startswith(path + "/") for other in self.items)]
        return ("rmdir", self.random.choice(empty)) if empty else None

    def rename_directory(self):
        folders, to = self.folders(), self.free_folder()
        return ("rename", self.random.choice(folders), to) if folders and to else None

    def rename(self):
        candidates = self.of_kind("file", "link")
        path, to = (self.random.choice(candidates) if candidates else None), self.any_path()
        # Two names of one file stay as they are, by rename(2).
        if path is None or self.items.get(to) is self.items[path]:
            return None
        return "rename", path, to

    def unlink(self):
        candidates = self.of_kind("file", "link")
        return ("unlink", self.random.choice(candidates)) if candidates else None

    # What an operation makes of the model.

    def apply(self, operation):
        name, path, *rest = operation
        item = self.items.get(path)
        if name in ("append", "write", "truncate", "fallocate"):
            item.mtime = None
        if name == "create":
            self.items[path] = Item("file", rest[0])
        elif name == "append":
            length, seed = rest
            item.blocks |= blocks_of(len(item.data), length)
            item.data += contents(length, seed)
        elif name == "write":
            offset, length, seed = rest
            item.blocks |= blocks_of(offset, length)
            grow(item.data, offset + length)
            item.data[offset : offset + length] = contents(length, seed)
        elif name == "truncate":
            item.blocks &= blocks_of(0, rest[0])
            grow(item.data, rest[0])
            del item.data[rest[0] :]
        elif name == "fallocate":
            mode, offset, length = rest
            if mode & PUNCH_HOLE:
                item.blocks -= punched(offset, length, len(item.data))
            else:
                item.blocks |= blocks_of(offset, length)
            if not mode & KEEP_SIZE:
                grow(item.data, offset + length)
            if mode & (PUNCH_HOLE | ZERO_RANGE):
                end = min(offset + length, len(item.data))
                item.data[offset:end] = bytes(max(0, end - offset))
        elif name == "setxattr":
            key, length, seed = rest
            item.xattrs[key] = contents(length, seed)
        elif name == "removexattr":
            del item.xattrs[rest[0]]
        elif name == "chmod":
            item.mode = rest[0]
        elif name == "chown":
            item.owner = tuple(rest)
            item.mode &= ~stat.S_ISUID
        elif name == "utime":
            item.mtime = rest[0]
        elif name == "link":
            self.items[rest[0]] = item
        elif name == "symlink":
            self.items[path] = Item("link", 0o777, rest[0])
        elif name == "mkdir":
            self.items[path] = Item("directory", 0o755)
        elif name in ("rmdir", "unlink"):
            del self.items[path]
        elif name == "rename":
            below = [other for other in self.items if other == path or other.startswith(path + "/")]
            for other in below:
                self.items[rest[0] + other[len(path) :]] = self.items.pop(other)


def grow(data, length):
    data.extend(bytes(max(0, length - len(data))))


def blocks_of(offset, length):
    """The numbers of those that a range touches."""
    return set(range(offset // BLOCK, -(-(offset + length) // BLOCK)))


def punched(offset, length, size):
    """The numbers of blocks that a hole takes: whole ones, and the last one of the file, but none behind it."""
    end = min(offset + length, size)
    return set(range(-(-offset // BLOCK), -(-end // BLOCK) if end == size else end // BLOCK))


def perform(base, operation):
    name, path, *rest = operation
    path = f"{base}/{path}"
    if name == "create":
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, rest[0]))
    elif name == "append":
        with_file(path, os.O_APPEND, lambda fd: write_all(fd, contents(*rest), None))
    elif name == "write":
        offset, length, seed = rest
        with_file(path, 0, lambda fd: write_all(fd, contents(length, seed), offset))
    elif name == "truncate":
        os.truncate(path, rest[0])
    elif name == "fallocate":
        with_file(path, 0, lambda fd: fallocate(fd, *rest))
    elif name == "setxattr":
        key, length, seed = rest
        os.setxattr(path, key, contents(length, seed))
    elif name == "removexattr":
        os.removexattr(path, rest[0])
    elif name == "chmod":
        os.chmod(path, rest[0])
    elif name == "chown":
        os.chown(path, *rest)
    elif name == "utime":
        os.utime(path, ns=(rest[0], rest[0]))
    elif name == "link":
        os.link(path, f"{base}/{rest[0]}")
    elif name == "symlink":
        os.symlink(rest[0], path)
    elif name == "mkdir":
        os.mkdir(path, 0o755)
    elif name == "rmdir":
        os.rmdir(path)
    elif name == "unlink":
        os.unlink(path)
    elif name == "rename":
        os.rename(path, f"{base}/{rest[0]}")


def with_file(path, flags, use):
    fd = os.open(path, os.O_WRONLY | flags)
    try:
        use(fd)
    finally:
        os.close(fd)


def write_all(fd, data, offset):
    written = os.write(fd, data) if offset is None else os.pwrite(fd, data, offset)
    if written != len(data):
        raise RuntimeError(f"a write of {len(data)} bytes gave {written}")


def fallocate(fd, mode, offset, length):
    if libc.fallocate(fd, mode, offset, length) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


# The load.


def work(seed, round_number, place, number, slot, told, base, operations):
    worker = Worker(seed, round_number, place, number)
    fd = os.open(told, os.O_WRONLY)
    done = 0
    while operations is None or done < operations:
        operation = worker.next()
        perform(base, operation)
        worker.apply(operation)
        done += 1
        os.pwrite(fd, struct.pack("<Q", done), 8 * slot)
    os.close(fd)


def sweep(directory, round_number):
    for name in os.listdir(directory):
        earlier = re.fullmatch(r"round-(\d+)", name)
        if earlier and 0 < int(earlier[1]) < round_number:
            shutil.rmtree(f"{directory}/{name}")


def fork(function, *arguments):
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        function(*arguments)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def load(seed, round_number, workers, told, directories, operations):
    os.umask(0)
    children = {}
    for directory in directories:
        base = f"{directory}/round-{round_number}"
        for path in (base, f"{base}/shared", *(f"{base}/worker-{number}" for number in range(workers))):
            os.mkdir(path, 0o755)
    for place, directory in enumerate(directories):
        base = f"{directory}/round-{round_number}"
        for number in range(workers):
            arguments = (seed, round_number, place, number, place * workers + number, told, base, operations)
            children[fork(work, *arguments)] = f"{base}: process {number}"
        children[fork(sweep, directory, round_number)] = f"{directory}: removing earlier rounds"
    failed = 0
    for point in range(1, len(children) + 1):
        child, status = os.wait()
        failed += status != 0
        print(f"{'not ' if status else ''}ok {point} - {children[child]} ends", flush=True)
    print(f"1..{len(children)}")
    return failed


# The judgement.


def found_below(base, worker):
    """What is there of a worker's, as `wanted` has it."""
    paths = [f"shared/{name}" for name in os.listdir(f"{base}/shared") if name.startswith(worker.prefix)]
    paths.append(worker.own)
    for folder, folders, files in os.walk(f"{base}/{worker.own}"):
        paths += [os.path.relpath(f"{folder}/{name}", base) for name in folders + files]
    return {path: look_at(f"{base}/{path}") for path in paths}


def look_at(path):
    found = os.lstat(path)
    mode = stat.S_IMODE(found.st_mode)
    rest = (found.st_uid, found.st_gid), found.st_mtime_ns, found.st_blocks * 512 // BLOCK
    if stat.S_ISDIR(found.st_mode):
        return State("directory", mode, 0, "", b"", {}, *rest)
    if stat.S_ISLNK(found.st_mode):
        return State("link", mode, found.st_nlink, os.readlink(path), b"", {}, *rest)
    with open(path, "rb") as file:
        data = file.read()
    if len(data) != found.st_size:
        raise RuntimeError(f"{path} has {found.st_size} bytes, and reading gave {len(data)}")
    xattrs = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    return State("file", mode, found.st_nlink, "", data, xattrs, *rest)


def wanted(worker):
    names = {}
    for item in worker.items.values():
        names[id(item)] = names.get(id(item), 0) + 1
    return {
        path: State(
            item.kind,
            item.mode,
            0 if item.kind == "directory" else names[id(item)],
            item.target,
            bytes(item.data),
            item.xattrs,
            item.owner,
            item.mtime,
            item.held(),
        )
        for path, item in worker.items.items()
    }


def difference(found, model):
    for path in sorted({*found, *model}):
        there, due = found.get(path), model.get(path)
        if there is None or due is None:
            return f"{path} {'is missing' if there is None else 'should not be'}"
        if not agrees(there, due):
            return f"{path}: {disagreement(there, due)}"
    return None


def agrees(there, due):
    # What stands before the time has to be the same.
    return there[:7] == due[:7] and due.mtime in (None, there.mtime) and there.blocks >= due.blocks


def disagreement(there, due):
    for name in ("kind", "mode", "links", "target", "owner"):
        if getattr(there, name) != getattr(due, name):
            return f"{name} {getattr(there, name)}, not {getattr(due, name)}"
    if there.xattrs != due.xattrs:
        return f"attributes {sorted(there.xattrs)}, not {sorted(due.xattrs)}, or of other values"
    data, other = there.data, due.data
    if len(data) != len(other):
        return f"{len(data)} bytes, not {len(other)}"
    if data != other:
        first = next(n for n in range(len(other)) if data[n] != other[n])
        return f"byte {first} of {len(other)} is {data[first]}, not {other[first]}"
    if due.mtime not in (None, there.mtime):
        return f"mtime {there.mtime}, not {due.mtime}"
    return f"{there.blocks} blocks, not {due.blocks} or more"


def is_part_of(found, before, after, operation):
    """
    Whether an operation on data was cut off. The size is old, new or in between. Up to the old one, each eight bytes are
    old or new; what lies behind it is new, as a size is stored once the data that it takes in is durable.
    """
    if operation[0] not in ("append", "write", "fallocate") or {*found} != {*before}:
        return False
    for path, there in found.items():
        old, new = before[path], after[path]
        if agrees(there, old) or agrees(there, new):
            continue
        # Of other paths than that of the operation, the old and the new are the same, and so rule out any change.
        if not ({None, there.mtime} & {old.mtime, new.mtime}) or there.blocks < min(old.blocks, new.blocks):
            return False
        if there._replace(data=b"", mtime=None, blocks=0) != old._replace(data=b"", mtime=None, blocks=0):
            return False
        data, was, will = there.data, old.data, new.data
        if not len(was) <= len(data) <= len(will) or data[len(was) :] != will[len(was) : len(data)]:
            return False
        for at in range(0, len(was), ATOM):
            end = min(at + ATOM, len(was))
            if data[at:end] not in (was[at:end], will[at:end]):
                return False
    return True


def stray(base, workers):
    """@returns a name that no process has given, as a problem; or None"""
    own = {"shared", *(f"worker-{number}" for number in range(workers))}
    prefixes = {str(number) for number in range(workers)}
    strays = [name for name in os.listdir(base) if name not in own]
    strays += [f"shared/{name}" for name in os.listdir(f"{base}/shared") if name.split("-")[0] not in prefixes]
    return f"{min(strays)} is of no process" if strays else None


def judge_worker(worker, told, base):
    """@returns what is wrong, or None"""
    for _ in range(told):
        worker.apply(worker.next())
    found = found_below(base, worker)
    before = copy.deepcopy(wanted(worker))
    problem = difference(found, before)
    if problem is None:
        return None
    operation = worker.next()
    worker.apply(operation)
    after = wanted(worker)
    if difference(found, after) is None or is_part_of(found, before, after, operation):
        return None
    return f"{problem}; nor is it what {operation} makes of it: {difference(found, after)}"


def judge(seed, round_number, workers, told, directories):
    with open(told, "rb") as file:
        counts = struct.unpack(f"<{workers * len(directories)}Q", file.read())
    failed = point = 0
    for place, directory in enumerate(directories):
        base = f"{directory}/round-{round_number}"
        for number in range(workers):
            count = counts[point]
            point += 1
            try:
                problem = judge_worker(Worker(seed, round_number, place, number), count, base)
                # Of no process: told with the first one.
                if problem is None and number == 0:
                    problem = stray(base, workers)
            except OSError as error:
                problem = str(error)
            failed += problem is not None
            print(f"{'ok' if problem is None else 'not ok'} {point} - {base}: {count} operations of process {number}")
            if problem is not None:
                print(f"# {problem}")
    print(f"1..{point}")
    return failed


def main(what, round_number, seed, workers, told, *directories):
    operations = None
    if "--operations" in directories:
        at = directories.index("--operations")
        operations = int(directories[at + 1])
        directories = directories[:at]
    arguments = (seed, int(round_number), int(workers), told, directories)
    print("TAP version 14", flush=True)
    return load(*arguments, operations) if what == "load" else judge(*arguments)


if __name__ == "__main__":
    sys.exit(1 if main(*sys.argv[1:]) else 0)
