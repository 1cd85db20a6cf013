# SPDX-License-Identifier: GPL-2.0-only
"""File handles, as an NFS server uses them. Writes one line of JSON.

    file-handles.py take PATH...             a handle of each, as hexadecimal digits, or the name of an errno
    file-handles.py open DIRECTORY HANDLE... what each leads to, in the file system of DIRECTORY, or the name of an errno
"""

import ctypes
import errno
import json
import os
import stat
import sys

MAX_HANDLE_BYTES = 128
AT_FDCWD = -100
O_PATH = 0o10000000


class Handle(ctypes.Structure):
    _fields_ = [
        ("length", ctypes.c_uint),
        ("type", ctypes.c_int),
        ("bytes", ctypes.c_ubyte * MAX_HANDLE_BYTES),
    ]


libc = ctypes.CDLL(None, use_errno=True)


def error():
    return errno.errorcode[ctypes.get_errno()]


def take(path):
    handle = Handle(length=MAX_HANDLE_BYTES)
    mount = ctypes.c_int()
    if libc.name_to_handle_at(AT_FDCWD, os.fsencode(path), ctypes.byref(handle), ctypes.byref(mount), 0) < 0:
        return error()
    return f"{handle.type:08x}{bytes(handle.bytes[: handle.length]).hex()}"


def open_handle(directory, digits):
    contents = bytes.fromhex(digits[8:])
    handle = Handle(length=len(contents), type=int(digits[:8], 16))
    ctypes.memmove(handle.bytes, contents, len(contents))
    # O_PATH would ask the file system for nothing more.
    fd = libc.open_by_handle_at(directory, ctypes.byref(handle), os.O_RDONLY | os.O_NONBLOCK)
    if fd < 0 and ctypes.get_errno() == errno.ELOOP:
        fd = libc.open_by_handle_at(directory, ctypes.byref(handle), O_PATH)
    if fd < 0:
        return error()
    try:
        found = os.fstat(fd)
        what = {"inode": found.st_ino, "path": os.readlink(f"/proc/self/fd/{fd}")}
        if stat.S_ISREG(found.st_mode):
            what["contents"] = os.read(fd, 4096).decode()
        if stat.S_ISDIR(found.st_mode):
            what["contents"] = sorted(os.listdir(fd))
        if stat.S_ISLNK(found.st_mode):
            what["contents"] = os.readlink("", dir_fd=fd)
        return what
    finally:
        os.close(fd)


mode, *rest = sys.argv[1:]
if mode == "take":
    results = [take(path) for path in rest]
else:
    directory = os.open(rest[0], os.O_RDONLY | os.O_DIRECTORY)
    results = [open_handle(directory, digits) for digits in rest[1:]]
print(json.dumps(results))
