# SPDX-License-Identifier: GPL-2.0-only
"""
Random calls on one file, held against a model in memory: what fsx is for.

    file-exerciser.py DIRECTORY SEED OPERATIONS SECONDS

Reads, writes, mappings, truncation, fallocate, copies within the file and into another, appending, direct calls, fsync,
dropping of the page cache, and opening anew, at any offset and of any length. Each read is compared with the model, and
now and then the whole file, its size, and that no hole that SEEK_HOLE finds has data. It ends after so many
operations or seconds. What is wrong is printed with the last operations, and shrunk: the operations that touched the
wrong byte are marked. Exit code 0: nothing was wrong, and the number of operations is printed; 1 otherwise.
"""
import collections
import ctypes
import errno
import mmap
import os
import random
import sys
import time

libc = ctypes.CDLL("libc.so.6", use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
PAGE = 4096
LARGEST = 1 << 18
LOGGED = 400
WHOLE_EVERY = 200


class Wrong(Exception):
    def __init__(self, text, offset=None):
        super().__init__(text)
        self.offset = offset


class Exerciser:
    def __init__(self, directory, seed):
        self.path = os.path.join(directory, f"exercised-{seed}")
        self.twin_path = self.path + "-twin"
        self.random = random.Random(seed)
        self.model = bytearray()
        self.twin_model = bytearray()
        self.log = collections.deque(maxlen=LOGGED)
        self.count = 0
        self.fds = [self.open(self.path, os.O_CREAT), self.open(self.twin_path, os.O_CREAT)]
        self.buffer = mmap.mmap(-1, LARGEST + PAGE)
        self.noise = self.random.randbytes(LARGEST * 2)
        self.operations = [
            (self.read, 12),
            (self.write, 14),
            (self.append, 3),
            (self.map_read, 6),
            (self.map_write, 6),
            (self.truncate, 6),
            (self.punch, 6),
            (self.zero, 6),
            (self.zero_keep, 3),
            (self.allocate, 4),
            (self.preallocate, 3),
            (self.copy, 6),
            (self.copy_to_twin, 3),
            (self.copy_from_twin, 3),
            (self.direct_read, 4),
            (self.direct_write, 4),
            (self.seek, 4),
            (self.sync, 2),
            (self.datasync, 2),
            (self.drop, 3),
            (self.reopen, 1),
            (self.swap, 1),
        ]
        self.choices = [operation for operation, weight in self.operations for _ in range(weight)]

    @staticmethod
    def open(path, flags=0):
        return os.open(path, os.O_RDWR | flags, 0o644)

    def run(self, operations, seconds):
        deadline = time.monotonic() + seconds
        while self.count < operations and time.monotonic() < deadline:
            self.count += 1
            self.random.choice(self.choices)()
            if self.count % WHOLE_EVERY == 0:
                self.check_whole()
        self.check_whole()
        self.reopen()
        self.check_whole()
        for fd, path in zip(self.fds, (self.path, self.twin_path)):
            os.close(fd)
            os.unlink(path)

    def note(self, name, start, length, extra=""):
        self.log.append((self.count, name, start, length, len(self.model), extra))

    # Ranges: of any alignment, and often aligned to pages, since that is where paths fork.

    def place(self, limit):
        at = self.random.randrange(limit + 1)
        choice = self.random.randrange(4)
        if choice == 0:
            return at & -PAGE
        if choice == 1:
            return min(limit, max(0, (at & -PAGE) + self.random.choice((-1, 1))))
        return at

    def length(self, most):
        if most <= 0:
            return 0
        choice = self.random.randrange(4)
        scale = (64, PAGE, 4 * PAGE, LARGEST)[choice]
        length = 1 + self.random.randrange(min(most, scale))
        if self.random.randrange(3) == 0:
            length = max(1, length & -PAGE) if length >= PAGE else length
        return min(length, most)

    def inside(self):
        """A range within the file; of no length where the file is empty."""
        start = self.place(max(0, len(self.model) - 1))
        return start, self.length(len(self.model) - start)

    def anywhere(self):
        start = self.place(LARGEST - 1)
        return start, self.length(LARGEST - start)

    def bytes(self, length):
        start = self.random.randrange(LARGEST)
        return self.noise[start : start + length]

    def put(self, start, data):
        if len(self.model) < start:
            self.model.extend(bytes(start - len(self.model)))
        self.model[start : start + len(data)] = data

    def compare(self, start, found, wanted, what):
        if found == wanted:
            return
        if len(found) != len(wanted):
            raise Wrong(f"{what} at {start} gave {len(found)} bytes of {len(wanted)}", start + min(len(found), len(wanted)))
        first = next(n for n in range(len(found)) if found[n] != wanted[n])
        count = sum(1 for n in range(len(found)) if found[n] != wanted[n])
        raise Wrong(
            f"{what} from {start}: byte {start + first} is {found[first]:#04x}, not {wanted[first]:#04x}; {count} differ",
            start + first,
        )

    def check_whole(self):
        size = os.fstat(self.fds[0]).st_size
        if size != len(self.model):
            raise Wrong(f"the size is {size}, not {len(self.model)}", min(size, len(self.model)))
        self.compare(0, os.pread(self.fds[0], LARGEST + 1, 0), self.model, "a read of all")
        self.compare(0, os.pread(self.fds[1], LARGEST + 1, 0), self.twin_model, "a read of all of the twin")

    # Operations.

    def read(self):
        start, length = self.anywhere()
        self.note("read", start, length)
        self.compare(start, os.pread(self.fds[0], length, start), self.model[start : start + length], "a read")

    def write(self):
        start, length = self.anywhere()
        self.note("write", start, length)
        data = self.bytes(length)
        written = os.pwrite(self.fds[0], data, start)
        if written != length:
            raise Wrong(f"a write of {length} gave {written}")
        self.put(start, data)

    def append(self):
        length = self.length(min(LARGEST - len(self.model), 3 * PAGE))
        if length == 0:
            return
        self.note("append", len(self.model), length)
        fd = self.open(self.path, os.O_APPEND)
        data = self.bytes(length)
        written = os.write(fd, data)
        os.close(fd)
        if written != length:
            raise Wrong(f"an append of {length} gave {written}")
        self.put(len(self.model), data)

    def mapped(self, start, length, use):
        base = start & -mmap.PAGESIZE
        with mmap.mmap(self.fds[0], start + length - base, mmap.MAP_SHARED, offset=base) as mapping:
            use(mapping, start - base)
            return mapping

    def map_read(self):
        start, length = self.inside()
        if length == 0:
            return
        self.note("mapread", start, length)
        wanted = self.model[start : start + length]
        self.mapped(start, length, lambda m, at: self.compare(start, m[at : at + length], wanted, "a mapping"))

    def map_write(self):
        start, length = self.inside()
        if length == 0:
            return
        self.note("mapwrite", start, length)
        data = self.bytes(length)
        flush = self.random.randrange(2) == 0

        def store(mapping, at):
            mapping[at : at + length] = data
            if flush:
                mapping.flush()

        self.mapped(start, length, store)
        self.put(start, data)

    def truncate(self):
        size = self.place(LARGEST)
        self.note("truncate", size, abs(size - len(self.model)))
        if self.random.randrange(2):
            os.ftruncate(self.fds[0], size)
        else:
            os.truncate(self.path, size)
        del self.model[size:]
        self.model.extend(bytes(size - len(self.model)))

    def fallocate(self, name, mode, clears):
        start, length = self.anywhere()
        self.note(name, start, length)
        if libc.fallocate(self.fds[0], mode, start, length) != 0:
            raise Wrong(f"{name} gave {errno.errorcode[ctypes.get_errno()]}", start)
        end = start + length
        if not mode & KEEP_SIZE and end > len(self.model):
            self.model.extend(bytes(end - len(self.model)))
        if clears:
            until = min(end, len(self.model))
            if until > start:
                self.model[start:until] = bytes(until - start)

    def punch(self):
        self.fallocate("punch", PUNCH_HOLE | KEEP_SIZE, True)

    def zero(self):
        self.fallocate("zero", ZERO_RANGE, True)

    def zero_keep(self):
        self.fallocate("zero, size kept", ZERO_RANGE | KEEP_SIZE, True)

    def allocate(self):
        self.fallocate("allocate", 0, False)

    def preallocate(self):
        self.fallocate("allocate, size kept", KEEP_SIZE, False)

    def copy_range(self, name, source, target, start, length, to):
        """Until all is copied. The kernel may copy less at a time."""
        self.note(name, start, length, f"to {to}")
        done = 0
        while done < length:
            count = os.copy_file_range(self.fds[source], self.fds[target], length - done, start + done, to + done)
            if count == 0:
                raise Wrong(f"{name} ended after {done} bytes of {length}", to + done)
            done += count

    def copy(self):
        start, length = self.inside()
        to = self.place(LARGEST - length)
        if length == 0 or abs(start - to) < length:
            return
        data = bytes(self.model[start : start + length])
        self.copy_range("copy", 0, 0, start, length, to)
        self.put(to, data)

    def copy_to_twin(self):
        start, length = self.inside()
        to = self.place(LARGEST - length)
        if length == 0:
            return
        self.copy_range("copy to the twin", 0, 1, start, length, to)
        if len(self.twin_model) < to:
            self.twin_model.extend(bytes(to - len(self.twin_model)))
        self.twin_model[to : to + length] = self.model[start : start + length]

    def copy_from_twin(self):
        start = self.place(max(0, len(self.twin_model) - 1))
        length = self.length(len(self.twin_model) - start)
        to = self.place(LARGEST - length)
        if length == 0:
            return
        self.copy_range("copy from the twin", 1, 0, start, length, to)
        self.put(to, self.twin_model[start : start + length])

    def direct_read(self):
        start = self.place(LARGEST - PAGE) & -PAGE
        length = PAGE * (1 + self.random.randrange((LARGEST - start) // PAGE))
        self.note("direct read", start, length)
        fd = self.open(self.path, os.O_DIRECT)
        count = os.preadv(fd, [memoryview(self.buffer)[:length]], start)
        os.close(fd)
        self.compare(start, self.buffer[:count], self.model[start : start + length], "a direct read")

    def direct_write(self):
        start = self.place(LARGEST - PAGE) & -PAGE
        length = PAGE * (1 + self.random.randrange(min(8, (LARGEST - start) // PAGE)))
        self.note("direct write", start, length)
        data = self.bytes(length)
        self.buffer[:length] = data
        fd = self.open(self.path, os.O_DIRECT)
        written = os.pwritev(fd, [memoryview(self.buffer)[:length]], start)
        os.close(fd)
        if written != length:
            raise Wrong(f"a direct write of {length} gave {written}")
        self.put(start, data)

    def seek(self):
        start = self.place(LARGEST)
        self.note("seek", start, 0)
        size = len(self.model)
        try:
            data = os.lseek(self.fds[0], start, os.SEEK_DATA)
        except OSError as refusal:
            if refusal.errno != errno.ENXIO:
                raise
            data = size
        if start < size and not start <= data <= size:
            raise Wrong(f"SEEK_DATA from {start} gave {data}", start)
        if any(self.model[start:data]):
            raise Wrong(f"SEEK_DATA from {start} passed data on its way to {data}", start)
        if start < size:
            hole = os.lseek(self.fds[0], start, os.SEEK_HOLE)
            if not start <= hole <= size:
                raise Wrong(f"SEEK_HOLE from {start} gave {hole}", start)

    def sync(self):
        self.note("fsync", 0, 0)
        os.fsync(self.fds[0])

    def datasync(self):
        self.note("fdatasync", 0, 0)
        os.fdatasync(self.fds[0])

    def drop(self):
        start, length = self.anywhere()
        self.note("drop cache", start, length)
        if self.random.randrange(2):
            os.fdatasync(self.fds[0])
        os.posix_fadvise(self.fds[0], start, length, os.POSIX_FADV_DONTNEED)

    def reopen(self):
        self.note("reopen", 0, 0)
        for fd in self.fds:
            os.close(fd)
        self.fds = [self.open(self.path), self.open(self.twin_path)]

    def swap(self):
        """The twin becomes the file."""
        self.note("swap", 0, 0)
        self.fds.reverse()
        self.path, self.twin_path = self.twin_path, self.path
        self.model, self.twin_model = self.twin_model, self.model

    def report(self, wrong):
        print(f"operation {self.count}: {wrong}")
        print(f"the last {len(self.log)} operations; * marks those that touched byte {wrong.offset}:")
        for count, name, start, length, size, extra in self.log:
            touches = wrong.offset is not None and (
                start <= wrong.offset < start + max(1, length)
                or (extra != "" and int(extra[3:]) <= wrong.offset < int(extra[3:]) + length)
            )
            print(f"{'*' if touches else ' '} {count} {name} {start}..{start + length} {extra} (size {size})")


def main(directory, seed, operations, seconds):
    exerciser = Exerciser(directory, int(seed))
    try:
        exerciser.run(int(operations), float(seconds))
    except Wrong as wrong:
        exerciser.report(wrong)
        sys.exit(1)
    print(exerciser.count)


main(*sys.argv[1:])
