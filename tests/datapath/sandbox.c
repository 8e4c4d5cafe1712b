// SPDX-License-Identifier: Apache-2.0
/* Namespaces for tests of the data path. */
#include "tests/datapath/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "sandbox: %s: %s\n", what, strerror(errno));
	exit(1);
}

void sandbox_enter(void)
{
	must(unshare(CLONE_NEWNET | CLONE_NEWNS), "unshare (root is needed)");
	must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
	/* A tmpfs over /run, so that the mount point leaves nothing behind either. */
	must(mount("tmpfs", "/run", "tmpfs", 0, NULL), "tmpfs on /run");
	must(mkdir(SANDBOX_BPFFS, 0700), "mkdir");
	must(mount("bpf", SANDBOX_BPFFS, "bpf", 0, NULL), "bpffs");
	shell("ip link set lo up");
}

void shell(const char *format, ...)
{
	char command[1024];
	va_list arguments;
	int status;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	status = system(command);
	if (status != 0)
		fail_msg("`%s` ended with status %d", command, status);
}

pid_t host_start(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	must(pipe(ready), "pipe");
	pid = fork();
	must(pid, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		must(unshare(CLONE_NEWNET), "unshare");
		must(write(ready[1], "", 1), "write");
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

void host_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int host_socket(pid_t host, int family, int type)
{
	char path[64];
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there, fd;
	const struct timeval limit = { .tv_sec = 10 };

	snprintf(path, sizeof(path), "/proc/%d/ns/net", host);
	there = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(here >= 0 && there >= 0);
	assert_int_equal(setns(there, CLONE_NEWNET), 0);
	fd = socket(family, type | SOCK_CLOEXEC, 0);
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
	close(here);
	close(there);
	return fd;
}
