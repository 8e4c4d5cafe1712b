// SPDX-License-Identifier: Apache-2.0
/* What runs in the laboratory's pods: an HTTP and a UDP server on one event loop that answer who they are and
 * which client address and port they see. It behaves as a well-made server in Kubernetes does: SIGTERM closes
 * the listening socket after what is queued there was accepted, requests in progress are finished, and a
 * kept-alive connection gets one more answer, with "Connection: close"; then it exits.
 *
 * GET /            {"pod":…,"client":…,"local":…}
 * GET /bytes/N     N bytes, byte i is 'a' + i % 26
 * GET /slow/MS     as /, after MS milliseconds
 * POST             as /, with "received": the size of the body, whose bytes must follow the same pattern
 * ("intact") UDP              as /, with "echo": the datagram's text */
#include "tests/lab/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAX 4096
#define DRAIN_MSEC  3000 /* a kept-alive connection without a request is closed this long after SIGTERM */

enum kind { KIND_LISTEN, KIND_UDP, KIND_SIGNAL, KIND_CONNECTION };

struct source { /* what an epoll event points to; a connection begins with one */
	enum kind kind;
	int fd;
};

struct connection {
	struct source source;
	struct connection *next, *previous;
	char peer[64], local[64];
	char in[REQUEST_MAX];
	size_t n_in;
	uint64_t body_left, body_got; /* of a POST */
	bool body_intact, in_body, keep_alive, busy;
	char head[512]; /* the answer: head, then `pattern` bytes */
	size_t head_sent, head_size;
	uint64_t pattern, pattern_sent;
	uint64_t answer_at_msec; /* of /slow; 0: at once */
};

static const char *pod_name = "pod";
static int epoll_fd;
static struct source listeners[16];
static size_t n_listeners;
static struct connection *connections;
static bool terminating;
static uint64_t terminated_at_msec;
static char pattern[26 * 2048];

static uint64_t now_msec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void format_address(const struct sockaddr_in6 *address, char *ret, size_t size)
{
	char text[INET6_ADDRSTRLEN];
	unsigned int port = ntohs(address->sin6_port);

	if (IN6_IS_ADDR_V4MAPPED(&address->sin6_addr)) {
		inet_ntop(AF_INET, &address->sin6_addr.s6_addr[12], text, sizeof(text));
		snprintf(ret, size, "%s:%u", text, port);
	} else {
		inet_ntop(AF_INET6, &address->sin6_addr, text, sizeof(text));
		snprintf(ret, size, "[%s]:%u", text, port);
	}
}

static void watch(struct source *source, uint32_t events, int operation)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	epoll_ctl(epoll_fd, operation, source->fd, &event);
}

static void connection_free(struct connection *c)
{
	close(c->source.fd);
	if (c->previous)
		c->previous->next = c->next;
	else
		connections = c->next;
	if (c->next)
		c->next->previous = c->previous;
	free(c);
}

/* --- answers ---------------------------------------------------------------------------------------------
 */

static void answer_text(struct connection *c, const char *more)
{
	char body[256];
	int n = snprintf(body, sizeof(body), "{\"pod\":\"%s\",\"client\":\"%s\",\"local\":\"%s\"%s}\n",
			 pod_name, c->peer, c->local, more);

	c->head_size =
		(size_t)snprintf(c->head, sizeof(c->head),
				 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
				 "X-Pod: %s\r\nX-Client: %s\r\nConnection: %s\r\n\r\n%s",
				 n, pod_name, c->peer, c->keep_alive ? "keep-alive" : "close", body);
}

static void answer_pattern(struct connection *c, uint64_t size)
{
	c->pattern = size;
	c->head_size = (size_t)snprintf(
		c->head, sizeof(c->head),
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %llu\r\n"
		"X-Pod: %s\r\nX-Client: %s\r\nConnection: %s\r\n\r\n",
		(unsigned long long)size, pod_name, c->peer, c->keep_alive ? "keep-alive" : "close");
}

/* 1: all is sent, 0: later, -1: the connection is gone */
static int answer_send(struct connection *c)
{
	if (c->answer_at_msec > now_msec())
		return 0;
	while (c->head_sent < c->head_size) {
		ssize_t n =
			send(c->source.fd, c->head + c->head_sent, c->head_size - c->head_sent, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		c->head_sent += (size_t)n;
	}
	while (c->pattern_sent < c->pattern) {
		uint64_t left = c->pattern - c->pattern_sent, offset = c->pattern_sent % 26;
		size_t size =
			left < sizeof(pattern) - offset ? (size_t)left : sizeof(pattern) - (size_t)offset;
		ssize_t n = send(c->source.fd, pattern + offset, size, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		c->pattern_sent += (uint64_t)n;
	}
	return 1;
}

/* --- requests --------------------------------------------------------------------------------------------
 */

static void body_take(struct connection *c)
{
	size_t size = c->n_in < c->body_left ? c->n_in : (size_t)c->body_left;

	for (size_t i = 0; i < size; i++)
		if (c->in[i] != (char)('a' + (c->body_got + i) % 26))
			c->body_intact = false;
	c->body_got += size;
	c->body_left -= size;
	c->n_in -= size;
	memmove(c->in, c->in + size, c->n_in);
}

/* Takes one request from the front of `in`. 1: its answer stands in `head`, 0: not complete yet, -1: not
 * HTTP. */
static int request_take(struct connection *c)
{
	char *end, more[80] = "";
	const char *value;

	if (!c->in_body) {
		c->in[c->n_in] = '\0';
		end = strstr(c->in, "\r\n\r\n");
		if (!end)
			return c->n_in >= REQUEST_MAX - 1 ? -1 : 0;
		*end = '\0';
		value = header_find(c->in, "connection");
		c->keep_alive = !terminating && !(value && !strncasecmp(value, "close", 5));
		c->head_sent = c->head_size = 0;
		c->pattern = c->pattern_sent = c->answer_at_msec = 0;
		c->body_left = c->body_got = 0;
		c->body_intact = true;
		c->busy = true;
		if (!strncmp(c->in, "POST ", 5)) {
			value = header_find(c->in, "content-length");
			c->body_left = value ? strtoull(value, NULL, 10) : 0;
			c->in_body = true;
		} else if (!strncmp(c->in, "GET /bytes/", 11)) {
			answer_pattern(c, strtoull(c->in + 11, NULL, 10));
		} else if (!strncmp(c->in, "GET ", 4)) {
			if (!strncmp(c->in, "GET /slow/", 10))
				c->answer_at_msec = now_msec() + strtoull(c->in + 10, NULL, 10);
			answer_text(c, "");
		} else {
			return -1;
		}
		c->n_in -= (size_t)(end + 4 - c->in);
		memmove(c->in, end + 4, c->n_in);
	}
	if (!c->in_body)
		return 1;
	body_take(c);
	if (c->body_left)
		return 0;
	c->in_body = false;
	snprintf(more, sizeof(more), ",\"received\":%llu,\"intact\":%s", (unsigned long long)c->body_got,
		 c->body_intact ? "true" : "false");
	answer_text(c, more);
	return 1;
}

/* Reads, answers, reads on, until something would block. -1: the connection is to be freed. */
static int connection_run(struct connection *c)
{
	for (;;) {
		ssize_t n;
		int r;

		if (c->busy && !c->in_body) {
			r = answer_send(c);
			if (r <= 0)
				return r;
			c->busy = false;
			if (!c->keep_alive)
				return -1;
		}
		r = c->n_in || c->in_body ? request_take(c) : 0;
		if (r < 0)
			return -1;
		if (r > 0)
			continue;
		n = recv(c->source.fd, c->in + c->n_in, REQUEST_MAX - 1 - c->n_in, 0);
		if (n == 0)
			return -1;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		c->n_in += (size_t)n;
	}
}

static void connection_event(struct connection *c)
{
	if (connection_run(c) < 0) {
		connection_free(c);
		return;
	}
	watch(&c->source, c->busy && !c->in_body && !c->answer_at_msec ? EPOLLIN | EPOLLOUT : EPOLLIN,
	      EPOLL_CTL_MOD);
}

/* --- sockets ---------------------------------------------------------------------------------------------
 */

static void accept_all(struct source *listener)
{
	for (;;) {
		struct sockaddr_in6 peer, local;
		socklen_t size = sizeof(peer);
		int on = 1,
		    fd = accept4(listener->fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct connection *c;

		if (fd < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			return;
		}
		c = calloc(1, sizeof(*c));
		if (!c) {
			close(fd);
			return;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		size = sizeof(local);
		getsockname(fd, (struct sockaddr *)&local, &size);
		c->source = (struct source){ KIND_CONNECTION, fd };
		format_address(&peer, c->peer, sizeof(c->peer));
		format_address(&local, c->local, sizeof(c->local));
		c->next = connections;
		if (connections)
			connections->previous = c;
		connections = c;
		watch(&c->source, EPOLLIN, EPOLL_CTL_ADD);
		connection_event(c); /* the request is often there already */
	}
}

static void answer_datagrams(struct source *source)
{
	for (;;) {
		char text[1500], answer[2048], peer_text[64];
		struct sockaddr_in6 peer;
		socklen_t size = sizeof(peer);
		ssize_t n = recvfrom(source->fd, text, sizeof(text) - 1, 0, (struct sockaddr *)&peer, &size);

		if (n < 0) {
			if (errno == EAGAIN)
				return;
			continue; /* an ICMP error of an earlier answer */
		}
		for (ssize_t i = 0; i < n; i++)
			if (text[i] < ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\')
				text[i] = '.';
		text[n] = '\0';
		format_address(&peer, peer_text, sizeof(peer_text));
		n = snprintf(answer, sizeof(answer), "{\"pod\":\"%s\",\"client\":\"%s\",\"echo\":\"%s\"}\n",
			     pod_name, peer_text, text);
		sendto(source->fd, answer, (size_t)n, 0, (struct sockaddr *)&peer, size);
	}
}

static void add_listener(int type, const char *port_text)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = in6addr_any };
	struct source *source = &listeners[n_listeners];
	int on = 1, off = 0, buffer = 4 << 20;
	long port = strtol(port_text, NULL, 10);

	if (n_listeners == sizeof(listeners) / sizeof(listeners[0]) || port < 1 || port > 65535) {
		fprintf(stderr, "lab-server: port %s: not usable\n", port_text);
		exit(2);
	}
	n_listeners++;
	address.sin6_port = htons((uint16_t)port);
	source->kind = type == SOCK_STREAM ? KIND_LISTEN : KIND_UDP;
	source->fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(source->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(source->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(source->fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	if (bind(source->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    (type == SOCK_STREAM && listen(source->fd, 4096) < 0)) {
		fprintf(stderr, "lab-server: port %ld: %s\n", port, strerror(errno));
		exit(1);
	}
	watch(source, EPOLLIN, EPOLL_CTL_ADD);
}

static void terminate(void)
{
	terminating = true;
	terminated_at_msec = now_msec();
	for (size_t i = 0; i < n_listeners; i++) {
		if (listeners[i].kind == KIND_LISTEN)
			accept_all(&listeners[i]);
		else
			answer_datagrams(&listeners[i]);
		close(listeners[i].fd);
	}
	n_listeners = 0;
}

/* What time alone brings: slow answers that are due, and the end of idle connections after SIGTERM. */
static void tick(void)
{
	uint64_t now = now_msec();

	for (struct connection *c = connections, *next; c; c = next) {
		next = c->next;
		if (c->busy && c->answer_at_msec && c->answer_at_msec <= now) {
			c->answer_at_msec = 0;
			connection_event(c);
		} else if (terminating && !c->busy && now - terminated_at_msec > DRAIN_MSEC) {
			connection_free(c);
		}
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "name", required_argument, NULL, 'n' },
						 { "tcp", required_argument, NULL, 't' },
						 { "udp", required_argument, NULL, 'u' },
						 { 0 } };
	struct rlimit limit;
	struct source signals = { .kind = KIND_SIGNAL };
	sigset_t mask;
	int option;

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (char)('a' + i % 26);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'n') {
			pod_name = optarg;
		} else if (option == 't') {
			add_listener(SOCK_STREAM, optarg);
		} else if (option == 'u') {
			add_listener(SOCK_DGRAM, optarg);
		} else {
			fprintf(stderr, "usage: lab-server --name POD [--tcp PORT]… [--udp PORT]…\n");
			return 2;
		}
	}
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals.fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	watch(&signals, EPOLLIN, EPOLL_CTL_ADD);

	while (!terminating || connections) {
		struct epoll_event events[256];
		int n = epoll_wait(epoll_fd, events, 256, 20);

		for (int i = 0; i < n; i++) {
			struct source *source = events[i].data.ptr;

			switch (source->kind) {
			case KIND_LISTEN:
				accept_all(source);
				break;
			case KIND_UDP:
				answer_datagrams(source);
				break;
			case KIND_SIGNAL:
				epoll_ctl(epoll_fd, EPOLL_CTL_DEL, signals.fd, NULL);
				terminate();
				i = n; /* the sockets of the events that follow may be closed */
				break;
			case KIND_CONNECTION:
				connection_event((struct connection *)source);
				break;
			}
		}
		tick();
	}
	return 0;
}
