# SPDX-License-Identifier: GPL-2.0-only
"""Mounts a directory a second time, id-mapped (mount_setattr(2)).

    id-mapped-mount.py DIRECTORY MOUNTPOINT FIRST COUNT

Ids from 0 on, as the file system has them, are ids from FIRST on through the mount. On failure it prints one line: the
call that failed, and the name of the errno.
"""

import ctypes
import errno
import os
import signal
import sys

SYS_open_tree, SYS_move_mount, SYS_mount_setattr = 428, 429, 442
AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
OPEN_TREE_CLONE = 1
MOVE_MOUNT_F_EMPTY_PATH = 4
MOUNT_ATTR_IDMAP = 0x100000
CLONE_NEWUSER = 0x10000000

libc = ctypes.CDLL(None, use_errno=True)


class MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user_namespace")]


def checked(call, result):
    if result < 0:
        raise OSError(ctypes.get_errno(), call)
    return result


def user_namespace(first, count):
    """A descriptor of a user namespace with this mapping. Its one process, which waits to be ended, has ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        failed = libc.unshare(CLONE_NEWUSER) < 0
        os.write(writer, bytes([ctypes.get_errno() if failed else 0]))
        signal.pause()
    os.close(writer)
    try:
        [error] = os.read(reader, 1)
        if error:
            raise OSError(error, "unshare")
        for kind in "uid", "gid":
            with open(f"/proc/{child}/{kind}_map", "w") as file:
                file.write(f"0 {first} {count}")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def main(directory, mountpoint, first, count):
    tree = checked("open_tree", libc.syscall(SYS_open_tree, AT_FDCWD, os.fsencode(directory), OPEN_TREE_CLONE))
    attributes = MountAttributes(set=MOUNT_ATTR_IDMAP, user_namespace=user_namespace(int(first), int(count)))
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    idmap = libc.syscall(SYS_mount_setattr, tree, b"", AT_EMPTY_PATH, ctypes.byref(attributes), size)
    checked("mount_setattr", idmap)
    target = os.fsencode(mountpoint)
    moved = libc.syscall(SYS_move_mount, tree, b"", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH)
    checked("move_mount", moved)


try:
    main(*sys.argv[1:])
except OSError as error:
    sys.exit(f"{error.strerror}: {errno.errorcode[error.errno]}")
