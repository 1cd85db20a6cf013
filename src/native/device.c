/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a file or device must be asked by a system call that Node does not offer. Invariant: nothing
 * here waits for another process.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* The same by lseek(2), where the file system has no FIEMAP: what was set aside and not written yet may be left out. */
static int64_t written_bytes(int fd, uint64_t start, uint64_t end)
{
	uint64_t sum = 0;

	for (off_t at = (off_t)start; (uint64_t)at < end;) {
		off_t data = lseek(fd, at, SEEK_DATA);
		off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);

		/* ENXIO: nothing but a hole follows. */
		if (hole < 0)
			return errno == ENXIO ? (int64_t)sum : -errno;
		if ((uint64_t)data < end)
			sum += ((uint64_t)hole < end ? (uint64_t)hole : end) - (uint64_t)data;
		at = hole;
	}
	return (int64_t)sum;
}

#define EXTENTS 64

struct found_extents {
	struct fiemap map;
	struct fiemap_extent extents[EXTENTS];
};

/* Extents of a file, as many as there is space for. 0 or a negative errno. */
static int64_t find_extents(int fd, uint64_t start, uint64_t length, struct found_extents *found)
{
	memset(&found->map, 0, sizeof(found->map));
	found->map.fm_start = start;
	found->map.fm_length = length;
	found->map.fm_extent_count = EXTENTS;
	return ioctl(fd, FS_IOC_FIEMAP, &found->map) ? -errno : 0;
}

/* How many bytes of a file from an offset on have their blocks on the disk. Moves the descriptor's file offset. */
CALL(call_allocated_bytes)
{
	struct found_extents found;
	uint64_t start, end, sum = 0;
	int64_t arguments[3];
	int fd;

	if (!read_numbers(env, info, arguments, 3))
		return NULL;
	if (arguments[0] < 0 || arguments[0] > INT_MAX)
		return give(env, -EBADF);
	if (arguments[1] < 0 || arguments[2] < 0)
		return give(env, -EINVAL);
	fd = (int)arguments[0];
	start = (uint64_t)arguments[1];
	end = start + (uint64_t)arguments[2];
	for (uint64_t at = start; at < end;) {
		int64_t error = find_extents(fd, at, end - at, &found);
		uint64_t behind = end;

		if (error == -EOPNOTSUPP || error == -ENOTTY)
			return give(env, written_bytes(fd, start, end));
		if (error)
			return give(env, error);
		for (uint32_t i = 0; i < found.map.fm_mapped_extents; i++) {
			const struct fiemap_extent *extent = &found.extents[i];
			uint64_t first = extent->fe_logical > at ? extent->fe_logical : at;
			uint64_t last = extent->fe_logical + extent->fe_length;

			if (last > end)
				last = end;
			if (last > first)
				sum += last - first;
			behind = extent->fe_flags & FIEMAP_EXTENT_LAST ? end : last;
		}
		/* Fewer than there was space for: these were the last. */
		if (found.map.fm_mapped_extents < EXTENTS || behind <= at)
			break;
		at = behind;
	}
	return give(env, (int64_t)sum);
}

/* Extents whose place is not known or not theirs alone; and unwritten ones, which read as zeros wherever they lie. */
#define WITHOUT_PLACE                                                                                                  \
	(FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_NOT_ALIGNED |          \
	 FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_DATA_TAIL | FIEMAP_EXTENT_UNWRITTEN)

enum { EXTENT_NUMBERS = 3 };

/* XFS gives places on its realtime device, which is not the one that stat(2) names. */
static bool is_on_realtime_device(int fd)
{
	struct fsxattr attributes;

	return !ioctl(fd, FS_IOC_FSGETXATTR, &attributes) && (attributes.fsx_xflags & FS_XFLAG_REALTIME);
}

/* The extents of a file that have a place on its disk: how many, and the numbers of those for which there is room. */
CALL(call_file_extents)
{
	napi_typedarray_type type;
	struct found_extents found;
	size_t given = 2, room;
	int64_t fd, count = 0;
	napi_value arguments[2];
	bool is_last = false;
	uint64_t at = 0;
	void *into;

	if (napi_get_cb_info(env, info, &given, arguments, NULL, NULL) != napi_ok ||
	    !read_number(env, arguments[0], &fd))
		return NULL;
	if (napi_get_typedarray_info(env, arguments[1], &type, &room, &into, NULL, NULL) != napi_ok ||
	    type != napi_float64_array) {
		napi_throw_type_error(env, NULL, "fileExtents: not a Float64Array");
		return NULL;
	}
	if (fd < 0 || fd > INT_MAX)
		return give(env, -EBADF);
	if (is_on_realtime_device((int)fd))
		return give(env, 0);
	while (!is_last) {
		int64_t error = find_extents((int)fd, at, FIEMAP_MAX_OFFSET - at, &found);
		uint64_t behind = at;

		if (error)
			return give(env, error);
		for (uint32_t i = 0; i < found.map.fm_mapped_extents; i++) {
			const struct fiemap_extent *extent = &found.extents[i];
			double *numbers;

			behind = extent->fe_logical + extent->fe_length;
			is_last = is_last || (extent->fe_flags & FIEMAP_EXTENT_LAST);
			if (extent->fe_flags & WITHOUT_PLACE)
				continue;
			if ((size_t)++count > room / EXTENT_NUMBERS)
				continue;
			numbers = (double *)into + (count - 1) * EXTENT_NUMBERS;
			numbers[0] = (double)extent->fe_logical;
			numbers[1] = (double)extent->fe_physical;
			numbers[2] = (double)extent->fe_length;
		}
		is_last = is_last || found.map.fm_mapped_extents < EXTENTS || behind <= at;
		at = behind;
	}
	return give(env, count);
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
