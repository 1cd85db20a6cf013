/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Abstract sockets (unix(7)), and who listens on them: the kernel keeps the credentials of the process that called
 * listen(2), and a peer cannot forge them. Invariant: no call here blocks.
 */
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "native.h"

/* A new socket that is connected to `name`, all of whose bytes count. A negative errno otherwise. */
static int connect_abstract(const char *name, size_t length)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (!length || length > sizeof(address.sun_path) || name[0])
		return -EINVAL;
	memcpy(address.sun_path, name, length);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + length)) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

CALL(call_connect_abstract)
{
	napi_value argument;
	size_t given = 1, length;
	bool is_buffer;
	void *name;

	if (napi_get_cb_info(env, info, &given, &argument, NULL, NULL) != napi_ok ||
	    napi_is_buffer(env, argument, &is_buffer) != napi_ok)
		return NULL;
	if (!is_buffer) {
		napi_throw_type_error(env, NULL, "a Buffer was expected");
		return NULL;
	}
	if (napi_get_buffer_info(env, argument, &name, &length) != napi_ok)
		return NULL;
	return give(env, connect_abstract(name, length));
}

/* The credentials of the peer of the socket that the call's one argument names. False: an exception is pending. */
static bool read_peer(napi_env env, napi_callback_info info, struct ucred *peer, int *error)
{
	socklen_t length = sizeof(*peer);
	int64_t fd;

	if (!read_words(env, info, &fd, 1))
		return false;
	*error = 0;
	if (fd < 0 || fd > INT_MAX)
		*error = -EBADF;
	else if (getsockopt((int)fd, SOL_SOCKET, SO_PEERCRED, peer, &length))
		*error = -errno;
	return true;
}

CALL(call_peer_process)
{
	struct ucred peer;
	int error;

	if (!read_peer(env, info, &peer, &error))
		return NULL;
	return give(env, error ? error : peer.pid);
}

CALL(call_peer_user)
{
	struct ucred peer;
	int error;

	if (!read_peer(env, info, &peer, &error))
		return NULL;
	return give(env, error ? error : (int64_t)peer.uid);
}
