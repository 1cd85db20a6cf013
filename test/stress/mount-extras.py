# SPDX-License-Identifier: GPL-2.0-only
"""
A client of a mount under stress that makes the calls for which Node has no names, on the files that all clients share:

    mount-extras.py MOUNTPOINT BOARD SEED FILL

fallocate(2), SEEK_DATA and SEEK_HOLE, copy_file_range(2), extended attributes, ACLs, flags of inodes, O_TMPFILE with
linkat(2), and renameat2(2). Each call ends in one of the ways that it may. A value that is read is whole and belongs to
its file and name. What is copied is made of the atoms (atoms.ts) of the file it is copied from. It goes on until the
board says stop or the server has gone, which is exit code 0; what it sees and must not see ends it with a message.
"""
import ctypes
import errno
import fcntl
import mmap
import os
import random
import struct
import sys

libc = ctypes.CDLL("libc.so.6", use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
AT_FDCWD, AT_SYMLINK_FOLLOW = -100, 0x400
O_TMPFILE = 0o20200000
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
MODES = [0, KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE]
RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80086601, 0x40086602
SYNC, IMMUTABLE, APPEND, NODUMP, NOATIME, DIRSYNC = 0x8, 0x10, 0x20, 0x40, 0x80, 0x10000
ATOM = 8
FILE_ATOMS = 2**16
ATTRIBUTES = ["user.one", "user.two", "trusted.three", "user." + "long" * 40]
GONE = {errno.ENOTCONN, errno.ECONNABORTED, errno.ECANCELED, errno.EIO}
NO_FILE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO}
STOP_AT = 4


def mix(a, b, c):
    """As atoms.ts has it."""
    value = (a ^ 0x9E3779B9) * 0x85EBCA6B & 0xFFFFFFFF
    value = ((value ^ (value >> 15)) + b) * 0xC2B2AE35 & 0xFFFFFFFF
    value = ((value ^ (value >> 13)) + c) * 0x27D4EB2F & 0xFFFFFFFF
    return value ^ (value >> 16)


def file_id(fd):
    buffer = ctypes.create_string_buffer(256)
    if libc.statx(fd, b"", 0x1000, 0x900, buffer) != 0:
        refuse()
    (inode,) = struct.unpack_from("=Q", buffer, 32)
    seconds, nanoseconds = struct.unpack_from("=qI", buffer, 80)
    return mix(inode & 0xFFFFFFFF, (seconds * 1_000_000 + nanoseconds // 1000) & 0xFFFFFFFF, 0x66696C65)


def refuse():
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))


def checked(result):
    if result != 0:
        refuse()


def value_of(inode, which, length):
    """Whoever sets this attribute of this file to so many bytes sets it to these."""
    return bytes((inode * 7 + 31 * n + 5 * length + which) & 255 for n in range(length))


def acl(entries):
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, bits, who) for tag, bits, who in entries)


NOBODY = 0xFFFFFFFF
ACLS = [
    acl([(1, 7, NOBODY), (4, 5, NOBODY), (32, 0, NOBODY)]),
    acl([(1, 7, NOBODY), (2, 5, 7), (4, 5, NOBODY), (16, 7, NOBODY), (32, 4, NOBODY)]),
    acl([(1, 6, NOBODY), (4, 0, NOBODY), (8, 7, 8), (16, 4, NOBODY), (32, 0, NOBODY)]),
]


class Client:
    def __init__(self, board, seed, fill):
        self.random = random.Random(seed)
        self.seed = seed
        self.made = 0
        self.full = {errno.ENOSPC} if fill else set()
        with open(board, "rb") as file:
            self.board = mmap.mmap(file.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_READ)
        self.steps = [
            (self.allocate, 5),
            (self.seek, 2),
            (self.copy, 4),
            (self.set_attribute, 5),
            (self.get_attribute, 4),
            (self.remove_attribute, 2),
            (self.list_attributes, 1),
            (self.set_acl, 3),
            (self.set_flags, 2),
            (self.guard, 1),
            (self.link_nameless, 3),
            (self.rename, 4),
        ]
        self.choices = [step for step, weight in self.steps for _ in range(weight)]

    def run(self):
        while self.board[STOP_AT : STOP_AT + 4] == bytes(4):
            self.random.choice(self.choices)()

    def name(self):
        return f"name-{self.random.randrange(self.random.choice((4, 4, 30)))}"

    def path(self):
        arena = f"arena-{self.random.randrange(3)}"
        if self.random.randrange(4) == 0:
            return f"{arena}/{self.name()}/{self.name()}"
        return f"{arena}/{self.name()}"

    def attempt(self, call, *allowed):
        """None where the call failed in one of these ways, or for want of space on a device that is to get full."""
        try:
            return call()
        except OSError as refusal:
            if refusal.errno in allowed or refusal.errno in self.full:
                return None
            raise

    def open(self, flags=os.O_RDWR):
        def opened():
            fd = os.open(self.path(), flags | os.O_NOFOLLOW | os.O_NONBLOCK)
            if not os.path.isfile(f"/proc/self/fd/{fd}"):
                os.close(fd)
                return None
            return fd

        return self.attempt(opened, *NO_FILE)

    def on_file(self, use):
        fd = self.open()
        if fd is None:
            return
        try:
            use(fd)
        finally:
            os.close(fd)

    def range(self):
        start = self.random.randrange(FILE_ATOMS)
        return ATOM * start, ATOM * (1 + self.random.randrange(self.random.choice((16, 2048, FILE_ATOMS))))

    def allocate(self):
        mode = self.random.choice(MODES)
        start, length = self.range()
        self.on_file(lambda fd: self.attempt(lambda: checked(libc.fallocate(fd, mode, start, length))))

    def seek(self):
        start, _ = self.range()
        kind = self.random.choice((os.SEEK_DATA, os.SEEK_HOLE))

        def look(fd):
            found = self.attempt(lambda: os.lseek(fd, start, kind), errno.ENXIO)
            if found is not None and found < start:
                raise AssertionError(f"lseek from {start} found {found}")

        self.on_file(look)

    def copy(self):
        start, length = self.range()

        def copied(fd):
            own = self.attempt(lambda: os.open("arena-0", os.O_RDWR | O_TMPFILE, 0o600))
            if own is None:
                return
            try:
                count = self.attempt(lambda: os.copy_file_range(fd, own, length, start, start))
                if count:
                    self.check_atoms(own, file_id(fd), start, count)
            finally:
                os.close(own)

        self.on_file(copied)

    def check_atoms(self, fd, identity, start, count):
        for _ in range(16):
            atom = start // ATOM + self.random.randrange(max(1, count // ATOM))
            data = os.pread(fd, ATOM, atom * ATOM)
            if len(data) < ATOM or data == bytes(ATOM):
                continue
            sequence, check = struct.unpack("=II", data)
            if check != mix(identity, atom, sequence):
                raise AssertionError(f"atom {atom} of a copy is not of the file and place it was copied from")

    def on_inode(self, use, *allowed):
        """Of an inode that keeps its number meanwhile."""

        def opened():
            fd = os.open(self.path(), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                use(fd, os.fstat(fd).st_ino)
            finally:
                os.close(fd)

        self.attempt(opened, *NO_FILE, *allowed)

    def set_attribute(self):
        which = self.random.randrange(len(ATTRIBUTES))
        length = self.random.randrange(self.random.choice((10, 100, 1000, 9000)))
        flags = self.random.choice((0, 0, os.XATTR_CREATE, os.XATTR_REPLACE))
        self.on_inode(
            lambda fd, inode: os.setxattr(fd, ATTRIBUTES[which], value_of(inode, which, length), flags),
            errno.EEXIST,
            errno.ENODATA,
            errno.EPERM,
            errno.E2BIG,
        )

    def get_attribute(self):
        which = self.random.randrange(len(ATTRIBUTES))

        def look(fd, inode):
            value = os.getxattr(fd, ATTRIBUTES[which])
            if value != value_of(inode, which, len(value)):
                raise AssertionError(f"{ATTRIBUTES[which]} of inode {inode} has a value that nobody set")

        # ERANGE: it has grown between the two calls of Python.
        self.on_inode(look, errno.ENODATA, errno.EPERM, errno.ERANGE)

    def remove_attribute(self):
        name = self.random.choice(ATTRIBUTES)
        self.on_inode(lambda fd, _: os.removexattr(fd, name), errno.ENODATA, errno.EPERM)

    def list_attributes(self):
        def look(fd, inode):
            names = os.listxattr(fd)
            if len(set(names)) < len(names):
                raise AssertionError(f"listxattr of inode {inode} told a name twice: {names}")
            unknown = [name for name in names if name not in ATTRIBUTES and not name.startswith("system.posix_acl_")]
            if unknown:
                raise AssertionError(f"listxattr of inode {inode} told {unknown}")

        self.on_inode(look, errno.ERANGE)

    def set_acl(self):
        name = "system.posix_acl_" + self.random.choice(("access", "default"))
        value = self.random.choice(ACLS)
        if self.random.randrange(3) == 0:
            self.on_inode(lambda fd, _: os.removexattr(fd, name), errno.ENODATA, errno.EACCES, errno.EOPNOTSUPP)
        else:
            # A default ACL is for directories.
            self.on_inode(lambda fd, _: os.setxattr(fd, name, value), errno.EACCES, errno.EOPNOTSUPP)

    def change_flags(self, fd, flags):
        fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("=II", flags, 0))

    def set_flags(self):
        """Those that forbid nothing to others."""
        flags = self.random.choice((0, SYNC, NODUMP, NOATIME, NODUMP | NOATIME, DIRSYNC | SYNC))
        self.on_inode(lambda fd, _: self.change_flags(fd, flags), errno.EOPNOTSUPP, errno.ENOTTY)

    def guard(self):
        """A file of its own, which is not changed while its flags forbid that."""
        fd = self.attempt(lambda: os.open("arena-1", os.O_RDWR | O_TMPFILE, 0o600))
        if fd is None:
            return
        try:
            self.change_flags(fd, self.random.choice((IMMUTABLE, APPEND)))
            try:
                os.ftruncate(fd, 0)
                raise AssertionError("ftruncate of a guarded file succeeded")
            except PermissionError:
                pass
            self.change_flags(fd, 0)
        finally:
            os.close(fd)

    def link_nameless(self):
        fd = self.attempt(lambda: os.open(f"arena-{self.random.randrange(3)}", os.O_RDWR | O_TMPFILE, 0o644))
        if fd is None:
            return
        try:
            source, target = f"/proc/self/fd/{fd}".encode(), self.path().encode()
            self.attempt(
                lambda: checked(libc.linkat(AT_FDCWD, source, AT_FDCWD, target, AT_SYMLINK_FOLLOW)),
                errno.EEXIST,
                *NO_FILE,
            )
        finally:
            os.close(fd)

    def rename(self):
        flags = self.random.choice((RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT))
        old, new = self.path().encode(), self.path().encode()
        self.attempt(
            lambda: checked(libc.renameat2(AT_FDCWD, old, AT_FDCWD, new, flags)),
            errno.EEXIST,
            errno.ENOTEMPTY,
            errno.EINVAL,
            *NO_FILE,
        )


def main(mountpoint, board, seed, fill):
    os.chdir(mountpoint)
    try:
        Client(board, int(seed), fill == "fill").run()
    except OSError as refusal:
        if refusal.errno not in GONE:
            raise


main(*sys.argv[1:])
