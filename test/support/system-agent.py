# SPDX-License-Identifier: GPL-2.0-only
"""
Makes system calls on behalf of a test: one JSON request per line, one JSON answer per line.

The process that is started connects to the abstract address it is given, and forks an agent for each byte that comes
from there. An agent has a connection of its own. Its first line is {"pid": number}, and the last one, from the process
that waits for its end, {"ended": signal or exit code}.

A test's own process never touches the file system under test, so that a mount which hangs takes this process
with it and not the test. Answers are {"value": ...}, {"errno": NAME}, or {"defect": text} for a mistake of the
caller. Bytes travel as {"$bytes": base64}, integers of 64 bits as {"$int": decimal}.
"""
import base64
import ctypes
import errno
import fcntl
import json
import mmap
import os
import signal
import socket
import struct
import sys
import traceback

libc = ctypes.CDLL("libc.so.6", use_errno=True)
AT_FDCWD = -100
PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
# Where Linux has two names for one number, answers use the first of these.
NAMES = errno.errorcode | {errno.EOPNOTSUPP: "EOPNOTSUPP", errno.EAGAIN: "EAGAIN", errno.EDEADLK: "EDEADLK"}


def checked(result):
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def big(number):
    return {"$int": str(number)}


def function(name, *argument_types, result=ctypes.c_int):
    found = getattr(libc, name)
    found.argtypes = argument_types
    found.restype = result
    return found


PATH, INT, LONG, POINTER = ctypes.c_char_p, ctypes.c_int, ctypes.c_long, ctypes.c_void_p
renameat2 = function("renameat2", INT, PATH, INT, PATH, ctypes.c_uint)
linkat = function("linkat", INT, PATH, INT, PATH, INT)
fallocate = function("fallocate", INT, INT, ctypes.c_int64, ctypes.c_int64)
utimensat = function("utimensat", INT, PATH, ctypes.c_char_p, INT)
statx = function("statx", INT, PATH, INT, ctypes.c_uint, ctypes.c_char_p)
syncfs = function("syncfs", INT)
opendir = function("opendir", PATH, result=POINTER)
readdir = function("readdir", POINTER, result=POINTER)
telldir = function("telldir", POINTER, result=LONG)
seekdir = function("seekdir", POINTER, LONG, result=None)
rewinddir = function("rewinddir", POINTER, result=None)
closedir = function("closedir", POINTER)
mmap_file = function("mmap", POINTER, ctypes.c_size_t, INT, INT, INT, ctypes.c_int64, result=POINTER)
getxattr = function("getxattr", PATH, PATH, ctypes.c_char_p, ctypes.c_size_t, result=LONG)
listxattr = function("listxattr", PATH, ctypes.c_char_p, ctypes.c_size_t, result=LONG)
munmap = function("munmap", POINTER, ctypes.c_size_t)
mincore = function("mincore", POINTER, ctypes.c_size_t, ctypes.c_char_p)
sync_file_range = function("sync_file_range", INT, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)

mappings, sockets = {}, {}


def stat_value(found):
    return {
        "ino": big(found.st_ino),
        "dev": found.st_dev,
        "mode": found.st_mode,
        "nlink": found.st_nlink,
        "uid": found.st_uid,
        "gid": found.st_gid,
        "size": found.st_size,
        "blocks": found.st_blocks,
        "rdev": [os.major(found.st_rdev), os.minor(found.st_rdev)],
        "atimeNs": big(found.st_atime_ns),
        "mtimeNs": big(found.st_mtime_ns),
        "ctimeNs": big(found.st_ctime_ns),
    }


def birth_time(path):
    """stx_btime lies at byte 80 of struct statx; bit 0x800 of stx_mask says that it is there."""
    buffer = ctypes.create_string_buffer(256)
    checked(statx(AT_FDCWD, path, 0x100, 0x800, buffer))
    (mask,) = struct.unpack_from("=I", buffer, 0)
    if not mask & 0x800:
        raise OSError(errno.EOPNOTSUPP, "no birth time")
    seconds, nanoseconds = struct.unpack_from("=qI", buffer, 80)
    return big(seconds * 1_000_000_000 + nanoseconds)


def set_times(path, times, flags):
    """Two (seconds, nanoseconds) pairs; UTIME_NOW and UTIME_OMIT come as nanoseconds."""
    packed = struct.pack("=qqqq", *times[0], *times[1])
    checked(utimensat(AT_FDCWD, path, packed, flags))


def open_directory(path):
    handle = opendir(path)
    if not handle:
        checked(-1)
    return big(handle)


def read_directory(handle, limit):
    """At most `limit` entries as [name, inode number, type] (struct dirent64: ino, off, reclen, type, name)."""
    entries = []
    while len(entries) < limit:
        ctypes.set_errno(0)
        entry = readdir(handle)
        if not entry:
            if ctypes.get_errno():
                checked(-1)
            break
        inode = ctypes.c_uint64.from_address(entry).value
        kind = ctypes.c_uint8.from_address(entry + 18).value
        entries.append([ctypes.string_at(entry + 19), big(inode), kind])
    return entries


def on_each(call, directory, names, *arguments):
    """Makes a call that takes a path first on each of the names in a directory."""
    for name in names:
        COMMANDS[call](directory + b"/" + name.encode(), *arguments)


def remove_tree(path):
    """Removes a directory and all below it. Every removal has to succeed."""
    with os.scandir(path) as entries:
        found = list(entries)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            remove_tree(entry.path)
        else:
            os.unlink(entry.path)
    os.rmdir(path)


def statfs(path):
    found = os.statvfs(path)
    names = ["f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_namemax"]
    return {name[2:]: getattr(found, name) for name in names}


def direct_write(fd, data, offset):
    """An anonymous mapping gives the page-aligned memory that O_DIRECT asks for."""
    with mmap.mmap(-1, len(data)) as aligned:
        aligned.write(data)
        return os.pwritev(fd, [aligned], offset)


def direct_read(fd, length, offset):
    with mmap.mmap(-1, length) as aligned:
        return aligned[: os.preadv(fd, [aligned], offset)]


def is_cached(fd, length):
    """Whether the first `length` bytes of a file, whole pages, lie in the page cache. None of them is touched."""
    address = mmap_file(None, length, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
    if address == ctypes.c_void_p(-1).value:
        checked(-1)
    try:
        pages = ctypes.create_string_buffer(length // mmap.PAGESIZE)
        checked(mincore(address, length, pages))
        return all(page & 1 for page in pages.raw)
    finally:
        munmap(address, length)


def run(program, *arguments):
    """Executes a program, by its path or an open descriptor, and answers what it printed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(writer, 1)
            os.execve(program, [b"program", *arguments], {})
        finally:
            os._exit(127)
    os.close(writer)
    with os.fdopen(reader, "rb") as output:
        printed = output.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise OSError(errno.ENOEXEC, "the program failed")
    return printed.decode()


def mode_alone(path):
    """stx_mode lies at byte 28 of struct statx; STATX_MODE, bit 2 of the mask, asks for nothing else."""
    buffer = ctypes.create_string_buffer(256)
    checked(statx(AT_FDCWD, path, 0, 2, buffer))
    return struct.unpack_from("=H", buffer, 28)[0]


def statx_value(fd, mask, flags):
    """struct statx of an open file, asked for with AT_EMPTY_PATH and flags that say whether the kernel may keep to itself."""
    buffer = ctypes.create_string_buffer(256)
    checked(statx(fd, b"", 0x1000 | flags, mask, buffer))
    nlink, uid, gid, mode = struct.unpack_from("=IIIH", buffer, 16)
    size, blocks = struct.unpack_from("=QQ", buffer, 40)
    atime, btime, ctime, mtime = ("%d.%09d" % struct.unpack_from("=qI", buffer, at) for at in (64, 80, 96, 112))
    (told,) = struct.unpack_from("=I", buffer, 0)
    rdev = "%d:%d" % struct.unpack_from("=II", buffer, 128)
    return {
        "mode": mode,
        "nlink": nlink,
        "uid": uid,
        "gid": gid,
        "size": size,
        "blocks": blocks,
        "atime": atime,
        "mtime": mtime,
        "ctime": ctime,
        "btime": btime if told & 0x800 else "",
        "rdev": rdev,
    }


def ioctl_file(path, number, data):
    """ioctl(2) on what lies under a path; answers the bytes that `data` has become."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return fcntl.ioctl(fd, number, data)
    finally:
        os.close(fd)


def map_file(fd, length, offset):
    handle = len(mappings) + 1
    mappings[handle] = mmap.mmap(fd, length, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=offset)
    return handle


def write_mapping(handle, offset, data):
    mappings[handle][offset : offset + len(data)] = data


FLOCK = "=hhxxxxqqixxxx"


def lock_owner(fd, kind, start, length):
    """F_GETLK: [l_type, l_start, l_len, l_pid] of the first lock in the way, else l_type F_UNLCK."""
    answer = fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack(FLOCK, kind, 0, start, length, 0))
    found, _, begin, size, pid = struct.unpack(FLOCK, answer)
    return [found, begin, size, pid]


def set_lock(fd, command, kind, start, length):
    fcntl.fcntl(fd, command, struct.pack(FLOCK, kind, 0, start, length, 0))


def listen(path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(1)
    sockets[server.fileno()] = server
    return server.fileno()


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    sockets[client.fileno()] = client
    return client.fileno()


def accept(fd):
    client, _ = sockets[fd].accept()
    sockets[client.fileno()] = client
    return client.fileno()


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def become(uid, gid, groups):
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    die_with_parent()  # the kernel forgets it when the user changes


def contain(first, count):
    """
    Becomes root of a user namespace of its own, in which ids from `first` on are those from 0 on. They are mapped from
    outside, by a child that has stayed there.
    """
    agent = os.getpid()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.read(reader, 1)
            for kind in "uid", "gid":
                with open(f"/proc/{agent}/{kind}_map", "w") as file:
                    file.write(f"0 {first} {count}")
            os._exit(0)
        finally:
            os._exit(1)
    checked(libc.unshare(CLONE_NEWUSER))
    os.write(writer, b"1")
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise OSError(errno.EPERM, "the ids cannot be mapped")
    os.close(reader)
    os.close(writer)
    become(0, 0, [])


PLAIN = """open close read write pread pwrite mkdir rmdir mkfifo rename unlink symlink readlink truncate
ftruncate chmod fchmod fchown chown lchown umask fsync fdatasync lseek access chdir getxattr setxattr
listxattr removexattr getpid sendfile copy_file_range""".split()

COMMANDS = {name: getattr(os, name) for name in PLAIN} | {
    "lgetxattr": lambda path, name: os.getxattr(path, name, follow_symlinks=False),
    "lsetxattr": lambda path, name, value: os.setxattr(path, name, value, follow_symlinks=False),
    "llistxattr": lambda path: os.listxattr(path, follow_symlinks=False),
    "getxattrInto": lambda path, name, size: checked(getxattr(path, name.encode(), bytes(size), size)),
    "listxattrInto": lambda path, size: checked(listxattr(path, bytes(size), size)),
    "stat": lambda path: stat_value(os.stat(path)),
    "lstat": lambda path: stat_value(os.lstat(path)),
    "fstat": lambda fd: stat_value(os.fstat(fd)),
    "birthTime": birth_time,
    "statx": statx_value,
    "modeAlone": mode_alone,
    "run": run,
    "setTimes": set_times,
    "mknod": lambda path, mode, major, minor: os.mknod(path, mode, os.makedev(major, minor)),
    "onEach": on_each,
    "removeTree": remove_tree,
    "lremovexattr": lambda path, name: os.removexattr(path, name, follow_symlinks=False),
    "link": lambda old, new, flags: checked(linkat(AT_FDCWD, old, AT_FDCWD, new, flags)),
    "renameat2": lambda old, new, flags: checked(renameat2(AT_FDCWD, old, AT_FDCWD, new, flags)),
    "fallocate": lambda fd, mode, offset, length: checked(fallocate(fd, mode, offset, length)),
    "syncfs": lambda fd: checked(syncfs(fd)),
    "syncFileRange": lambda fd, offset, length: checked(sync_file_range(fd, offset, length, 7)),
    "statfs": statfs,
    "opendir": open_directory,
    "readdir": read_directory,
    "telldir": lambda handle: big(telldir(handle)),
    "seekdir": seekdir,
    "rewinddir": rewinddir,
    "closedir": lambda handle: checked(closedir(handle)),
    "isCached": is_cached,
    "directWrite": direct_write,
    "directRead": direct_read,
    "map": map_file,
    "mapRead": lambda handle, offset, length: mappings[handle][offset : offset + length],
    "mapWrite": write_mapping,
    "mapSync": lambda handle: mappings[handle].flush(),
    "unmap": lambda handle: mappings[handle].close(),
    "ioctl": ioctl_file,
    "flock": fcntl.flock,
    "setLock": set_lock,
    "lockOwner": lock_owner,
    "listen": listen,
    "connect": connect,
    "accept": accept,
    "become": become,
    "contain": contain,
}


def encode(value):
    return {"$bytes": base64.b64encode(value).decode()}


def decode(value):
    if "$bytes" in value:
        return base64.b64decode(value["$bytes"])
    return int(value["$int"]) if "$int" in value else value


def answer(line):
    try:
        request = json.loads(line, object_hook=decode)
        return {"value": COMMANDS[request["call"]](*request["args"])}
    except OSError as refusal:
        return {"errno": NAMES[refusal.errno]}
    except Exception:
        return {"defect": traceback.format_exc()}


def send(connection, message):
    connection.sendall((json.dumps(message, default=encode) + "\n").encode())


def serve(connection):
    die_with_parent()
    send(connection, {"pid": os.getpid()})
    with connection.makefile("rb", 1 << 16) as requests:
        for line in requests:
            send(connection, answer(line))


def end_of(child):
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return f"exit code {os.WEXITSTATUS(status)}"


def fork(run):
    """Runs a function in a process of its own. Answers that process."""
    child = os.fork()
    if child == 0:
        try:
            run()
        except Exception:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child


def start_agent(address):
    """Stays beside the agent, to tell how it ends."""
    die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    connection = connected(address)
    send(connection, {"ended": end_of(fork(lambda: serve(connection)))})


def connected(address):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect("\0" + address)
    return connection


def main(address):
    die_with_parent()
    os.umask(0o022)
    # Whatever has ended need not be waited for here.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control = connected(address)
    while wanted := control.recv(100):
        for _ in wanted:
            fork(lambda: start_agent(address))


main(sys.argv[1])
