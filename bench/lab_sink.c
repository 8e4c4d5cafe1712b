// SPDX-License-Identifier: Apache-2.0
/* The pod's end of bench/lab_cost: takes streams, datagrams and connections and says how much arrived; see
 * lab_traffic.h. usage: lab_sink CPU. Ends by a signal. */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/lab_traffic.h"

#define BATCH 64
#define KEPT                                                                                                 \
	1024 /* accepted connections stay open until so many came after them: all of those the client has    \
		reset */
#define ONE_GO (1 << 20)
#define BUFFER (1 << 20)

enum kind { KIND_STREAM_LISTENER, KIND_CONNECT_LISTENER, KIND_DATAGRAMS, KIND_STREAM };

struct source {
	enum kind kind;
	int fd;
	uint64_t bytes; /* of a stream */
};

static int epoll_fd;

static void watch(struct source *source)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };

	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, source->fd, &event);
}

static void die(const char *what)
{
	fprintf(stderr, "lab_sink: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void listen_on(struct source *source, enum kind kind, uint16_t port)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6,
					.sin6_addr = in6addr_any,
					.sin6_port = htons(port) };
	int type = kind == KIND_DATAGRAMS ? SOCK_DGRAM : SOCK_STREAM, on = 1, off = 0, buffer = BUFFER;

	source->kind = kind;
	source->fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (source->fd < 0)
		die("socket");
	setsockopt(source->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(source->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (kind == KIND_DATAGRAMS)
		setsockopt(source->fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	if (bind(source->fd, (struct sockaddr *)&address, sizeof(address)))
		die("bind");
	if (type == SOCK_STREAM && listen(source->fd, 4096))
		die("listen");
	watch(source);
}

/* --- streams
 * ------------------------------------------------------------------------------------------------------ */

static void accept_streams(const struct source *listener)
{
	for (;;) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct source *stream;

		if (fd < 0)
			return;
		stream = calloc(1, sizeof(*stream));
		if (!stream)
			die("memory");
		*stream = (struct source){ .kind = KIND_STREAM, .fd = fd };
		watch(stream);
	}
}

static void take_stream(struct source *stream)
{
	for (;;) {
		ssize_t n = recv(stream->fd, NULL, ONE_GO, MSG_TRUNC);

		if (n > 0) {
			stream->bytes += (uint64_t)n;
			continue;
		}
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (!n)
			send(stream->fd, &stream->bytes, sizeof(stream->bytes), MSG_NOSIGNAL);
		close(stream->fd);
		free(stream);
		return;
	}
}

/* --- datagrams
 * ---------------------------------------------------------------------------------------------------- */

static void take_datagrams(const struct source *source)
{
	static struct lab_count count; /* of the session that came last */
	uint64_t sessions[BATCH];
	struct sockaddr_in6 peers[BATCH];
	struct iovec vectors[BATCH];
	struct mmsghdr messages[BATCH];
	int n;

	for (int i = 0; i < BATCH; i++) {
		vectors[i] = (struct iovec){ &sessions[i], sizeof(sessions[i]) };
		messages[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &peers[i],
							     .msg_namelen = sizeof(peers[i]),
							     .msg_iov = &vectors[i],
							     .msg_iovlen = 1 } };
	}
	n = recvmmsg(source->fd, messages, BATCH, MSG_TRUNC, NULL);
	for (int i = 0; i < n; i++) {
		if (messages[i].msg_len < sizeof(sessions[i]))
			continue;
		if (sessions[i] != count.session)
			count = (struct lab_count){ .session = sessions[i] };
		if (messages[i].msg_len == sizeof(struct lab_query)) {
			sendto(source->fd, &count, sizeof(count), 0, (struct sockaddr *)&peers[i],
			       messages[i].msg_hdr.msg_namelen);
			continue;
		}
		count.datagrams++;
		count.bytes += messages[i].msg_len;
	}
}

/* --- connections
 * -------------------------------------------------------------------------------------------------- */

static void accept_connections(const struct source *listener)
{
	static int kept[KEPT];
	static size_t next;

	for (;;) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		send(fd, "", 1, MSG_NOSIGNAL);
		if (kept[next])
			close(kept[next]);
		kept[next] = fd;
		next = (next + 1) % KEPT;
	}
}

int main(int argc, char **argv)
{
	static struct source listeners[3];

	if (argc != 2) {
		fputs("usage: lab_sink CPU\n", stderr);
		return 2;
	}
	lab_pin(argv[1]);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		die("epoll");
	listen_on(&listeners[0], KIND_STREAM_LISTENER, LAB_STREAM_PORT);
	listen_on(&listeners[1], KIND_DATAGRAMS, LAB_DATAGRAM_PORT);
	listen_on(&listeners[2], KIND_CONNECT_LISTENER, LAB_CONNECT_PORT);
	for (;;) {
		struct epoll_event events[64];
		int n = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < n; i++) {
			struct source *source = events[i].data.ptr;

			switch (source->kind) {
			case KIND_STREAM_LISTENER:
				accept_streams(source);
				break;
			case KIND_CONNECT_LISTENER:
				accept_connections(source);
				break;
			case KIND_DATAGRAMS:
				take_datagrams(source);
				break;
			case KIND_STREAM:
				take_stream(source);
				break;
			}
		}
	}
}
