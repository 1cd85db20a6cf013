/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mounting: by mount(2) for root, by fusermount3 for others. Invariant: no descriptor and no child
 * process is left behind when a call fails, and no descriptor of ours reaches fusermount3 but the
 * socket that it is to answer on.
 */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "native.h"

extern char **environ;

static const char COMMUNICATION_VARIABLE[] = "_FUSE_COMMFD";

static void free_strings(char **strings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(strings[i]);
}

/* Reads `count` strings for the caller to free; *error says if one was unfit. False: an exception is pending. */
static bool read_strings(napi_env env, const napi_value *values, char **strings, size_t count, int *error)
{
	*error = 0;
	for (size_t i = 0; i < count; i++) {
		int unfit;

		strings[i] = read_string(env, values[i], &unfit);
		if (!strings[i]) {
			free_strings(strings, i);
			return false;
		}
		if (unfit)
			*error = unfit;
	}
	return true;
}

CALL(call_mount)
{
	enum { SOURCE, TARGET, TYPE, DATA, STRINGS };
	napi_value values[5];
	char *strings[STRINGS];
	size_t given = 5;
	int64_t flags;
	int error;

	if (napi_get_cb_info(env, info, &given, values, NULL, NULL) != napi_ok ||
	    !read_number(env, values[3], &flags))
		return NULL;
	values[3] = values[4];
	if (!read_strings(env, values, strings, STRINGS, &error))
		return NULL;
	if (flags < 0)
		error = -EINVAL;
	if (!error && mount(strings[SOURCE], strings[TARGET], strings[TYPE], (unsigned long)flags, strings[DATA]))
		error = -errno;
	free_strings(strings, STRINGS);
	return give(env, error);
}

CALL(call_umount)
{
	napi_value values[2];
	size_t given = 2;
	int64_t flags;
	char *target;
	int error;

	if (napi_get_cb_info(env, info, &given, values, NULL, NULL) != napi_ok ||
	    !read_number(env, values[1], &flags) || !read_strings(env, values, &target, 1, &error))
		return NULL;
	if (flags < 0 || flags > INT32_MAX)
		error = -EINVAL;
	if (!error && umount2(target, (int)flags))
		error = -errno;
	free(target);
	return give(env, error);
}

/* Whether the comma-separated options contain `name`. */
static bool has_option(const char *options, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = options; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (!strncmp(at, name, length) && (at[length] == ',' || !at[length]))
			return true;
	}
	return false;
}

/* Our environment with `variable` (NAME=value) in place of one of that name. The array is for the caller to free. */
static char **environment_with(char *variable)
{
	size_t name_length = strchr(variable, '=') - variable + 1, count = 0, kept = 0;
	char **environment;

	while (environ[count])
		count++;
	environment = malloc((count + 2) * sizeof(*environment));
	if (!environment)
		return NULL;
	for (size_t i = 0; i < count && environ[i]; i++)
		if (strncmp(environ[i], variable, name_length))
			environment[kept++] = environ[i];
	environment[kept++] = variable;
	environment[kept] = NULL;
	return environment;
}

/*
 * Lets the child have our standard descriptors, which Node has marked close-on-exec, and `socket`: copied to
 * the same number, a descriptor loses that mark, in the child alone. 0 or an errno.
 */
static int pass_descriptors(posix_spawn_file_actions_t *actions, int socket)
{
	int error = posix_spawn_file_actions_adddup2(actions, socket, socket);

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && !error; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			/* Or the next file that it opens would become its standard error. */
			error = posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0);
		else
			error = posix_spawn_file_actions_adddup2(actions, fd, fd);
	}
	return error;
}

/* Starts fusermount3 with `socket` as its only descriptor beyond the standard ones. 0 or a negative errno. */
static int start_fusermount(char *options, char *mountpoint, int socket, pid_t *child)
{
	char *arguments[] = { "fusermount3", "-o", options, "--", mountpoint, NULL };
	char variable[sizeof(COMMUNICATION_VARIABLE) + 16];
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char **environment;
	sigset_t signals;
	int error;

	snprintf(variable, sizeof(variable), "%s=%d", COMMUNICATION_VARIABLE, socket);
	environment = environment_with(variable);
	if (!environment)
		return -ENOMEM;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	error = pass_descriptors(&actions, socket);
	sigemptyset(&signals);
	posix_spawnattr_setsigmask(&attributes, &signals);
	sigaddset(&signals, SIGPIPE);	/* Node ignores it, and a program inherits what is ignored */
	posix_spawnattr_setsigdefault(&attributes, &signals);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (!error)
		error = posix_spawnp(child, arguments[0], &actions, &attributes, arguments, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	free(environment);
	return -error;
}

/* The descriptor that comes over the socket, or -EPERM when it is closed without one. */
static int receive_descriptor(int socket)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec data = { &byte, sizeof(byte) };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;
	ssize_t received;
	int fd;

	do
		received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	while (received < 0 && errno == EINTR);
	if (received < 0)
		return -errno;
	header = received ? CMSG_FIRSTHDR(&message) : NULL;
	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -EPERM;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

static void reap(pid_t child)
{
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

static int fusermount(char *options, char *mountpoint)
{
	int sockets[2], fd, error;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	error = start_fusermount(options, mountpoint, sockets[0], &child);
	/* Ours is closed at once, so that the child's end is the last: if it dies, we read the end of file. */
	close(sockets[0]);
	if (error) {
		close(sockets[1]);
		return error;
	}
	fd = receive_descriptor(sockets[1]);
	if (fd >= 0 && has_option(options, "auto_unmount"))
		/* It stays, and unmounts when our end of the socket is closed: when this process ends. */
		return fd;
	close(sockets[1]);
	reap(child);
	return fd;
}

CALL(call_fusermount)
{
	enum { OPTIONS, MOUNTPOINT, STRINGS };
	napi_value values[STRINGS];
	char *strings[STRINGS];
	size_t given = STRINGS;
	int result;

	if (napi_get_cb_info(env, info, &given, values, NULL, NULL) != napi_ok ||
	    !read_strings(env, values, strings, STRINGS, &result))
		return NULL;
	if (!result)
		result = fusermount(strings[OPTIONS], strings[MOUNTPOINT]);
	free_strings(strings, STRINGS);
	return give(env, result);
}
