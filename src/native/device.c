/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a file or device must be asked by a system call that Node does not offer. Invariant: nothing
 * here waits for another process.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "native.h"

CALL(call_lock_file)
{
	int64_t arguments[2];

	if (!read_words(env, info, arguments, 2))
		return NULL;
	if (arguments[0] < 0 || arguments[0] > INT_MAX)
		return give(env, -EBADF);
	return give(env, flock((int)arguments[0], (arguments[1] ? LOCK_EX : LOCK_SH) | LOCK_NB) ? -errno : 0);
}

CALL(call_block_device_bytes)
{
	uint64_t bytes;
	int64_t fd;

	if (!read_words(env, info, &fd, 1))
		return NULL;
	if (fd < 0 || fd > INT_MAX)
		return give(env, -EBADF);
	return give(env, ioctl((int)fd, BLKGETSIZE64, &bytes) ? -errno : (int64_t)bytes);
}

/* fallocate(2) in the given mode, for a call with the arguments (descriptor, offset, length). */
static napi_value change_room(napi_env env, napi_callback_info info, int mode)
{
	int64_t arguments[3];
	int error;

	if (!read_numbers(env, info, arguments, 3))
		return NULL;
	if (arguments[0] < 0 || arguments[0] > INT_MAX)
		return give(env, -EBADF);
	do
		error = fallocate((int)arguments[0], mode, arguments[1], arguments[2]) ? -errno : 0;
	while (error == -EINTR);
	return give(env, error);
}

CALL(call_allocate)
{
	return change_room(env, info, 0);
}

CALL(call_punch_hole)
{
	return change_room(env, info, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
}

/* Whether what is open as the second descriptor lies behind the loop device that is open as the first: 1 or 0. */
CALL(call_is_behind_loop)
{
	struct loop_info64 loop;
	int64_t arguments[2];
	struct stat file;

	if (!read_words(env, info, arguments, 2))
		return NULL;
	for (int i = 0; i < 2; i++)
		if (arguments[i] < 0 || arguments[i] > INT_MAX)
			return give(env, -EBADF);
	if (ioctl((int)arguments[0], LOOP_GET_STATUS64, &loop) || fstat((int)arguments[1], &file))
		return give(env, -errno);
	if (S_ISBLK(file.st_mode))
		return give(env, loop.lo_rdevice == file.st_rdev);
	return give(env, loop.lo_device == file.st_dev && loop.lo_inode == file.st_ino);
}
