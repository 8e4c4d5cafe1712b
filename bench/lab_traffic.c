// SPDX-License-Identifier: Apache-2.0
/* The client's end of bench/lab_cost: loads one target for a time and prints one figure; see lab_traffic.h.
 *
 *	tcp	 Mbit/s of payload that arrived over one stream
 *	udp	 Mbit/s of payload that arrived, datagrams of 1400 bytes sent as fast as the way takes them
 *	connect	 connections a second that the pod accepted and answered by a byte, up to 64 at once, each a
 *new flow; they are reset by the client, so that no run inherits the sockets of an earlier one
 *
 * usage: lab_traffic tcp|udp|connect CPU SECONDS ADDRESS PORT SOURCE… */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/lab_traffic.h"
#include "bench/report.h"

#define SOURCES_MAX 16
#define ANSWER_MSEC 3000 /* a path that answers nothing in that time is broken */
#define SEND_BATCH  32
#define CHUNK	    (128 << 10)

struct endpoint {
	struct sockaddr_in6 address; /* of either family */
	socklen_t size;
};

struct run {
	double seconds;
	struct endpoint target, sources[SOURCES_MAX];
	size_t n_sources;
};

static void die(const char *what)
{
	fprintf(stderr, "lab_traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct endpoint endpoint_parse(const char *address, const char *port)
{
	struct endpoint e = { 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&e.address;
	uint16_t port_be = htons((uint16_t)strtoul(port, NULL, 10));

	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = port_be;
		e.size = sizeof(*v4);
	} else if (inet_pton(AF_INET6, address, &e.address.sin6_addr) == 1) {
		e.address.sin6_family = AF_INET6;
		e.address.sin6_port = port_be;
		e.size = sizeof(e.address);
	} else {
		errno = EINVAL;
		die(address);
	}
	return e;
}

static int socket_to(const struct run *run, int type)
{
	struct timeval limit = { .tv_sec = ANSWER_MSEC / 1000 };
	int fd = socket(run->target.address.sin6_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&run->target.address, run->target.size))
		die("connect");
	return fd;
}

static double mbit(uint64_t bytes, double msec)
{
	return (double)bytes * 8 / 1e3 / msec;
}

static double run_tcp(const struct run *run)
{
	static char chunk[CHUNK];
	int fd = socket_to(run, SOCK_STREAM);
	double begin = now_msec(), end = begin + run->seconds * 1e3;
	uint64_t arrived;

	while (now_msec() < end)
		if (send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL) < 0)
			die("send");
	shutdown(fd, SHUT_WR);
	if (recv(fd, &arrived, sizeof(arrived), MSG_WAITALL) != sizeof(arrived))
		die("the sink's answer");
	return mbit(arrived, now_msec() - begin);
}

/* What arrived of the session; the query follows the last datagram, and is repeated in case it or its answer
 * is lost. */
static struct lab_count ask_count(int fd, uint64_t session)
{
	struct lab_query query = { session };
	struct lab_count count;
	struct timeval limit = { .tv_usec = ANSWER_MSEC * 1000 / 10 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	for (int i = 0; i < 10; i++) {
		send(fd, &query, sizeof(query), 0);
		if (recv(fd, &count, sizeof(count), 0) == sizeof(count) && count.session == session)
			return count;
	}
	errno = ETIMEDOUT;
	die("the sink's answer");
	abort();
}

static double run_udp(const struct run *run)
{
	static char datagram[LAB_DATAGRAM_SIZE];
	struct iovec vector = { datagram, sizeof(datagram) };
	struct mmsghdr messages[SEND_BATCH] = { 0 };
	int fd = socket_to(run, SOCK_DGRAM);
	double begin, end, now;
	uint64_t session;

	if (getrandom(&session, sizeof(session), 0) != sizeof(session))
		die("getrandom");
	memcpy(datagram, &session, sizeof(session));
	for (int i = 0; i < SEND_BATCH; i++)
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &vector, .msg_iovlen = 1 };
	ask_count(fd, session); /* the neighbours are resolved and the flow stands before time is taken */
	begin = now = now_msec();
	end = begin + run->seconds * 1e3;
	for (; now < end; now = now_msec())
		if (sendmmsg(fd, messages, SEND_BATCH, 0) < 0)
			die("send");
	return mbit(ask_count(fd, session).bytes, now - begin);
}

/* --- connections
 * -------------------------------------------------------------------------------------------------- */

struct connections {
	const struct run *run;
	int epoll_fd;
	uint64_t opened, answered;
};

static void connection_open(struct connections *c)
{
	const struct endpoint *source = &c->run->sources[c->opened % c->run->n_sources];
	struct linger reset = { .l_onoff = 1 };
	struct epoll_event event = { .events = EPOLLIN };
	int on = 1, fd = socket(source->address.sin6_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&source->address, source->size))
		die("bind");
	if (connect(fd, (const struct sockaddr *)&c->run->target.address, c->run->target.size) &&
	    errno != EINPROGRESS)
		die("connect");
	event.data.fd = fd;
	epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &event);
	c->opened++;
}

static void connection_take(struct connections *c, int fd)
{
	char byte;

	if (recv(fd, &byte, 1, 0) != 1)
		die("a connection");
	close(fd);
	c->answered++;
}

static double run_connect(const struct run *run)
{
	struct connections c = { .run = run, .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	double begin = now_msec(), end = begin + run->seconds * 1e3, now = begin;
	struct epoll_event events[LAB_AT_ONCE];

	for (int i = 0; i < LAB_AT_ONCE; i++)
		connection_open(&c);
	while (c.answered < c.opened) {
		int n = epoll_wait(c.epoll_fd, events, LAB_AT_ONCE, ANSWER_MSEC);

		if (n <= 0) {
			errno = n ? errno : ETIMEDOUT;
			die("connections under way");
		}
		now = now_msec();
		for (int i = 0; i < n; i++) {
			connection_take(&c, events[i].data.fd);
			if (now < end)
				connection_open(&c);
		}
	}
	return (double)c.answered / (now - begin) * 1e3;
}

int main(int argc, char **argv)
{
	struct run run = { 0 };
	double figure;

	if (argc < 7 || argc > 6 + SOURCES_MAX) {
		fputs("usage: lab_traffic tcp|udp|connect CPU SECONDS ADDRESS PORT SOURCE...\n", stderr);
		return 2;
	}
	lab_pin(argv[2]);
	run.seconds = strtod(argv[3], NULL);
	run.target = endpoint_parse(argv[4], argv[5]);
	for (int i = 6; i < argc; i++)
		run.sources[run.n_sources++] = endpoint_parse(argv[i], "0");
	if (!strcmp(argv[1], "tcp"))
		figure = run_tcp(&run);
	else if (!strcmp(argv[1], "udp"))
		figure = run_udp(&run);
	else
		figure = run_connect(&run);
	printf("%.3f\n", figure);
	return 0;
}
