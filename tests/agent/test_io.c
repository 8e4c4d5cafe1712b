// SPDX-License-Identifier: Apache-2.0
/* The daemon's helpers with a real loop and real sockets: the HTTP server as clients see it (also bad
 * ones), the lock, the debounce. A child process serves, the test is the client. No root, no network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/io/http_server.h"
#include "userspace/io/loop.h"
#include "userspace/io/run_dir.h"

#define ANSWER_LIMIT_MSEC 10000
#define LARGE_ANSWER	  (4 * 1024 * 1024)

struct server {
	char directory[64], socket[96];
	pid_t pid;
};

/* --- the child ----------------------------------------------------------------------------------- */

static void handle(void *userdata _unused_, const struct http_request *request, struct http_reply *reply)
{
	const char *name = http_query(request, "name");
	size_t i;

	if (!strcmp(request->path, "/large")) {
		for (i = 0; i < LARGE_ANSWER / 16; i++)
			strbuf_append(&reply->body, "0123456789abcde\n");
		return;
	}
	if (!strcmp(request->path, "/missing"))
		reply->status = 404;
	strbuf_appendf(&reply->body, "path %s name %s\n", request->path, name ? name : "(none)");
}

static void serve(const char *socket_path, int ready_fd)
{
	struct http_server *server;
	struct sd_event *event;
	int fd;

	if (sd_event_new(&event) < 0 || unix_listen(socket_path, &fd) < 0 ||
	    http_server_new(event, fd, handle, NULL, &server) < 0 || write(ready_fd, "r", 1) != 1)
		_exit(1);
	sd_event_loop(event);
	_exit(1);
}

static int start_server(void **state)
{
	struct server *server = calloc(1, sizeof(*server));
	int ready[2];
	char byte;

	strcpy(server->directory, "/tmp/fairway-io-XXXXXX");
	if (!mkdtemp(server->directory) || pipe(ready))
		return -1;
	snprintf(server->socket, sizeof(server->socket), "%s/agent.sock", server->directory);
	server->pid = fork();
	if (!server->pid) {
		close(ready[0]);
		serve(server->socket, ready[1]);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		return -1;
	close(ready[0]);
	*state = server;
	return 0;
}

static int stop_server(void **state)
{
	struct server *server = *state;
	int status;

	kill(server->pid, SIGKILL);
	waitpid(server->pid, &status, 0);
	unlink(server->socket);
	rmdir(server->directory);
	free(server);
	return 0;
}

/* --- the client ---------------------------------------------------------------------------------- */

static int connect_to(const struct server *server)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, server->socket);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Reads until the server closes. */
static void read_all(int fd, struct strbuf *answer)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	char buffer[65536];
	ssize_t n;

	do {
		assert_int_equal(poll(&readable, 1, ANSWER_LIMIT_MSEC), 1);
		n = read(fd, buffer, sizeof(buffer));
		if (n > 0)
			strbuf_append_bytes(answer, buffer, (size_t)n);
	} while (n > 0);
}

static void ask(const struct server *server, const char *request, struct strbuf *answer)
{
	int fd = connect_to(server);

	assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
	read_all(fd, answer);
	close(fd);
}

static void answers_are(const struct server *server, const char *request, const char *status,
			const char *holds)
{
	cleanup(strbuf_done) struct strbuf answer = { 0 };

	ask(server, request, &answer);
	if (strncmp(strbuf_text(&answer), status, strlen(status)) || !strstr(strbuf_text(&answer), holds))
		fail_msg("%s\nwas answered by\n%s", request, strbuf_text(&answer));
}

#define CLOSE " HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n"

static void requests_are_answered(void **state)
{
	const struct server *server = *state;

	answers_are(server, "GET /v1/services" CLOSE, "HTTP/1.1 200", "path /v1/services name (none)\n");
	answers_are(server, "GET /x?name=a%2Fb%20c" CLOSE, "HTTP/1.1 200", "path /x name a/b c\n");
	answers_are(server, "GET /missing" CLOSE, "HTTP/1.1 404", "path /missing");
	answers_are(server, "GET /json" CLOSE, "HTTP/1.1 200", "Content-Type: application/json");
}

static void other_methods_are_refused(void **state)
{
	answers_are(*state,
		    "POST /v1/services HTTP/1.1\r\nHost: agent\r\nContent-Length: 4\r\nConnection: "
		    "close\r\n\r\nbody",
		    "HTTP/1.1 405", "only GET");
	answers_are(*state, "DELETE /v1/services" CLOSE, "HTTP/1.1 405", "only GET");
}

static void a_large_answer_is_whole(void **state)
{
	cleanup(strbuf_done) struct strbuf answer = { 0 };
	const char *body;

	ask(*state, "GET /large" CLOSE, &answer);
	body = strstr(strbuf_text(&answer), "\r\n\r\n");
	assert_non_null(body);
	assert_int_equal(strlen(body + 4), LARGE_ANSWER);
}

/* Neither garbage, nor half a request, nor a client that goes away while it is answered, keeps others from
 * being served. */
static void bad_clients_harm_nobody(void **state)
{
	static const char *const garbage[] = { "\0\0\0\0", "GET", "GET /x HTTP/9.9\r\n\r\n",
					       "\xff\xfe\r\n\r\n", "GET / HTTP/1.1\r\n" };
	int fds[ARRAY_SIZE(garbage)], fd;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(garbage); i++) {
		fds[i] = connect_to(*state);
		assert_true(write(fds[i], garbage[i], 4) > 0);
	}
	fd = connect_to(*state);
	assert_true(write(fd, "GET /large" CLOSE, strlen("GET /large" CLOSE)) > 0);
	close(fd);
	answers_are(*state, "GET /still" CLOSE, "HTTP/1.1 200", "path /still");
	for (i = 0; i < ARRAY_SIZE(garbage); i++)
		close(fds[i]);
	answers_are(*state, "GET /after" CLOSE, "HTTP/1.1 200", "path /after");
}

static void a_huge_header_is_refused(void **state)
{
	cleanup(strbuf_done) struct strbuf request = { 0 }, answer = { 0 };
	size_t i;

	strbuf_append(&request, "GET /x HTTP/1.1\r\nX-Long: ");
	for (i = 0; i < 5000; i++)
		strbuf_append(&request, "0123456789");
	strbuf_append(&request, "\r\n\r\n");
	signal(SIGPIPE, SIG_IGN);
	int fd = connect_to(*state);
	if (write(fd, strbuf_text(&request), request.length) > 0)
		read_all(fd, &answer);
	close(fd);
	assert_null(strstr(strbuf_text(&answer), "200 OK"));
	answers_are(*state, "GET /after" CLOSE, "HTTP/1.1 200", "path /after");
}

static void the_socket_is_private(void **state)
{
	const struct server *server = *state;
	struct stat status;

	assert_int_equal(stat(server->socket, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
}

/* --- the lock ------------------------------------------------------------------------------------ */

static void one_holder_at_a_time(void **state _unused_)
{
	char directory[] = "/tmp/fairway-lock-XXXXXX", nested[64], path[96];
	int fd, holder = 0, ready[2], other, status;
	char byte;
	pid_t pid;

	assert_non_null(mkdtemp(directory));
	snprintf(nested, sizeof(nested), "%s/a/b", directory);
	assert_int_equal(run_dir_make(nested), 0);
	assert_int_equal(run_dir_make(nested), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		if (run_dir_lock(nested, "lock", &fd, &holder) || write(ready[1], "r", 1) != 1)
			_exit(1);
		pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(run_dir_lock(nested, "lock", &other, &holder), -EBUSY);
	assert_int_equal(holder, pid);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_int_equal(run_dir_lock(nested, "lock", &other, &holder), 0);
	close(other);
	snprintf(path, sizeof(path), "%s/lock", nested);
	assert_int_equal(run_dir_make(path), -ENOTDIR);
	unlink(path);
	rmdir(nested);
	snprintf(nested, sizeof(nested), "%s/a", directory);
	rmdir(nested);
	rmdir(directory);
}

/* --- the debounce -------------------------------------------------------------------------------- */

struct busy {
	struct sd_event *event;
	struct debounce *debounce;
	unsigned kicks, runs, kicks_at_first_run;
};

static void count_run(void *userdata)
{
	struct busy *busy = userdata;

	if (!busy->runs++)
		busy->kicks_at_first_run = busy->kicks;
	if (busy->kicks >= 10)
		sd_event_exit(busy->event, 0);
}

static int kick_ten_times(sd_event_source *source, void *userdata)
{
	struct busy *busy = userdata;

	busy->kicks++;
	debounce_kick(busy->debounce);
	return busy->kicks < 10 ? sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) : 0;
}

/* A burst is one run, after it. */
static void a_burst_is_one_run(void **state _unused_)
{
	struct busy busy = { 0 };

	assert_true(sd_event_new(&busy.event) >= 0);
	assert_int_equal(debounce_new(busy.event, 60000, count_run, &busy, &busy.debounce), 0);
	assert_true(sd_event_add_defer(busy.event, NULL, kick_ten_times, &busy) >= 0);
	assert_int_equal(sd_event_loop(busy.event), 0);
	assert_int_equal(busy.runs, 1);
	assert_int_equal(busy.kicks_at_first_run, 10);
	debounce_free(busy.debounce);
	sd_event_unref(busy.event);
}

static int kick_for_ever(sd_event_source *source, void *userdata)
{
	struct busy *busy = userdata;

	busy->kicks++;
	debounce_kick(busy->debounce);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* A loop that is never idle does not keep the run away: without the deadline this test would not end. */
static void a_busy_loop_does_not_starve_it(void **state _unused_)
{
	struct busy busy = { 0 };

	assert_true(sd_event_new(&busy.event) >= 0);
	assert_int_equal(debounce_new(busy.event, 5, count_run, &busy, &busy.debounce), 0);
	assert_true(sd_event_add_defer(busy.event, NULL, kick_for_ever, &busy) >= 0);
	assert_int_equal(sd_event_loop(busy.event), 0);
	assert_true(busy.runs >= 1);
	debounce_free(busy.debounce);
	sd_event_unref(busy.event);
}

int main(void)
{
	const struct CMUnitTest served[] = {
		cmocka_unit_test(requests_are_answered),     cmocka_unit_test(other_methods_are_refused),
		cmocka_unit_test(a_large_answer_is_whole),   cmocka_unit_test(bad_clients_harm_nobody),
		cmocka_unit_test(a_huge_header_is_refused),  cmocka_unit_test(the_socket_is_private),
	};
	const struct CMUnitTest alone[] = {
		cmocka_unit_test(one_holder_at_a_time),
		cmocka_unit_test(a_burst_is_one_run),
		cmocka_unit_test(a_busy_loop_does_not_starve_it),
	};
	int failed = cmocka_run_group_tests(served, start_server, stop_server);

	return failed + cmocka_run_group_tests(alone, NULL, NULL);
}
