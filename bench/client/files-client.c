/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A program that does the same with many files, one after the other, and prints how many seconds each phase took.
 * In C, because a client's own cost is in every figure and hides differences between servers. The files stand in
 * directories of PER_DIRECTORY files, which are two levels deep when there is more than one.
 *
 *   files-client DIRECTORY FILES PER_DIRECTORY PHASE...
 *
 * create  open(O_CREAT | O_EXCL) and close each, and the directories before them
 * stat    as `ls -l`: every directory read, every name asked for its attributes
 * readdir every directory read
 * rename  each to another name in its directory
 * unlink  each, by its new name if there was a rename before, and the directories after them
 * drop    not timed: has the kernel forget the names it knows of this mount, by mounting it anew in place (root)
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { BRANCHES = 10 };		/* directories of the lower level in one of the upper */

static const char *top;
static long files, per_directory;
static char prefix = 'f';	/* of file names; a rename changes it */

static void die(const char *call, const char *path)
{
	fprintf(stderr, "files-client: %s %s: %s\n", call, path, strerror(errno));
	exit(1);
}

static long directories(void)
{
	return (files + per_directory - 1) / per_directory;
}

static void upper_path(char *path, long directory)
{
	sprintf(path, "%s/d%05ld", top, directory / BRANCHES);
}

static void directory_path(char *path, long directory)
{
	if (directories() == 1)
		sprintf(path, "%s/d", top);
	else
		sprintf(path, "%s/d%05ld/d%ld", top, directory / BRANCHES, directory % BRANCHES);
}

static void file_path(char *path, long file, char first)
{
	directory_path(path, file / per_directory);
	sprintf(path + strlen(path), "/%c%07ld", first, file);
}

static void make_directory(const char *path)
{
	if (mkdir(path, 0755))
		die("mkdir", path);
}

static void remove_directory(const char *path)
{
	if (rmdir(path))
		die("rmdir", path);
}

static void create(void)
{
	char path[4096];

	for (long i = 0; i < directories(); i++) {
		upper_path(path, i);
		if (directories() > 1 && i % BRANCHES == 0)
			make_directory(path);
		directory_path(path, i);
		make_directory(path);
	}
	for (long i = 0; i < files; i++) {
		int fd;

		file_path(path, i, prefix);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0)
			die("create", path);
		close(fd);
	}
}

static void list(int with_attributes)
{
	char path[4096];
	long seen = 0;

	for (long i = 0; i < directories(); i++) {
		struct dirent *entry;
		struct stat attributes;
		DIR *directory;

		directory_path(path, i);
		directory = opendir(path);
		if (!directory)
			die("opendir", path);
		while ((entry = readdir(directory))) {
			seen += entry->d_name[0] == prefix;
			if (with_attributes &&
			    fstatat(dirfd(directory), entry->d_name, &attributes, AT_SYMLINK_NOFOLLOW))
				die("stat", entry->d_name);
		}
		closedir(directory);
	}
	if (seen != files) {
		fprintf(stderr, "files-client: %ld of %ld files were listed in %s\n", seen, files, top);
		exit(1);
	}
}

static void list_names(void)
{
	list(0);
}

static void list_attributes(void)
{
	list(1);
}

static void rename_all(void)
{
	char from[4096], to[4096];

	for (long i = 0; i < files; i++) {
		file_path(from, i, prefix);
		file_path(to, i, 'g');
		if (rename(from, to))
			die("rename", from);
	}
	prefix = 'g';
}

static void unlink_all(void)
{
	char path[4096];

	for (long i = 0; i < files; i++) {
		file_path(path, i, prefix);
		if (unlink(path))
			die("unlink", path);
	}
	for (long i = directories() - 1; i >= 0; i--) {
		directory_path(path, i);
		remove_directory(path);
		upper_path(path, i);
		if (directories() > 1 && i % BRANCHES == 0)
			remove_directory(path);
	}
}

/* A remount shrinks the dentry cache of this one mount and leaves everybody else's alone. */
static void drop(void)
{
	struct statvfs mounted;

	if (statvfs(top, &mounted))
		die("statvfs", top);
	if (mount("none", top, NULL,
		  MS_REMOUNT | (mounted.f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_RELATIME)), NULL))
		die("remount", top);
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static const struct phase {
	const char *name;
	void (*run)(void);
} phases[] = {
	{ "create", create },	{ "stat", list_attributes }, { "readdir", list_names },
	{ "rename", rename_all }, { "unlink", unlink_all },	{ "drop", drop },
};

static void run_phase(const char *name)
{
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
		double start = seconds_now();

		if (strcmp(phases[i].name, name))
			continue;
		phases[i].run();
		if (phases[i].run != drop)
			printf("%s %.9f\n", name, seconds_now() - start);
		return;
	}
	fprintf(stderr, "files-client: there is no phase %s\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		fputs("usage: files-client DIRECTORY FILES PER_DIRECTORY PHASE...\n", stderr);
		return 2;
	}
	top = argv[1];
	files = atol(argv[2]);
	per_directory = atol(argv[3]);
	if (files < 1 || per_directory < 1 || strlen(top) > 3000) {
		fputs("files-client: FILES and PER_DIRECTORY are numbers from 1\n", stderr);
		return 2;
	}
	for (int i = 4; i < argc; i++)
		run_phase(argv[i]);
	return 0;
}
