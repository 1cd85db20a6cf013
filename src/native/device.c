/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a file or device must be asked by a system call that Node does not offer. Invariant: nothing
 * here waits for another process.
 */
#include <limits.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>

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
