// SPDX-License-Identifier: Apache-2.0
/* Reading /proc/sys of this network namespace and saying what it means for a load balancer. */
#include "userspace/datapath/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/array.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/base/strbuf.h"
#include "userspace/datapath/port_list.h"

#define RESERVED_PORTS "net/ipv4/ip_local_reserved_ports"
#define SYSCTL_BYTES                                                                                         \
	16384 /* more than the longest list of reserved ports that the kernel prints in one read */

/* A container's own /proc/sys is read-only: there the manifests put the host's. Both are of this network namespace. */
#define HOST_PROC	"/host"

static int sysctl_open_below(const char *root, const char *name, int flags)
{
	char path[160];
	int fd, n = snprintf(path, sizeof(path), "%s/proc/sys/%s", root, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int sysctl_open(const char *name, int flags)
{
	int fd = sysctl_open_below("", name, flags);

	return fd == -EROFS ? sysctl_open_below(HOST_PROC, name, flags) : fd;
}

static int sysctl_read(const char *name, char *buffer, size_t size)
{
	cleanup(closep) int fd = sysctl_open(name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, buffer, size - 1);
	if (n < 0)
		return -errno;
	while (n > 0 && (buffer[n - 1] == '\n' || buffer[n - 1] == ' '))
		n--;
	buffer[n] = '\0';
	return 0;
}

static int sysctl_write(const char *name, const char *text)
{
	cleanup(closep) int fd = sysctl_open(name, O_WRONLY);
	size_t length = strlen(text);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = write(fd, text, length);
	return n < 0 ? -errno : (size_t)n == length ? 0 : -EIO;
}

/* -1: not there. */
static long sysctl_number(const char *name)
{
	char text[32];
	uint64_t value;

	if (sysctl_read(name, text, sizeof(text)) < 0 || parse_number(text, 0, INT32_MAX, &value) < 0)
		return -1;
	return value;
}

static int reserved_read(struct port_list *ret)
{
	char text[SYSCTL_BYTES];
	int r = sysctl_read(RESERVED_PORTS, text, sizeof(text));

	return r < 0 ? r : port_list_parse(text, ret);
}

static int reserved_write(const struct port_list *list)
{
	cleanup(strbuf_done) struct strbuf text = { 0 };

	port_list_print(list, &text);
	strbuf_append(&text, "\n"); /* an empty list is a line too */
	return strbuf_failed(&text) ? -ENOMEM : sysctl_write(RESERVED_PORTS, strbuf_text(&text));
}

int host_reserve_ports(uint16_t first, uint16_t last)
{
	struct port_list list;
	size_t before;
	int r = reserved_read(&list);

	if (r < 0)
		return r;
	before = port_list_count(&list, first, last);
	if (before == (size_t)(last - first + 1))
		return 0;
	port_list_set(&list, first, last, true);
	r = reserved_write(&list);
	return r < 0 ? r : before == 0;
}

void host_release_ports(uint16_t first, uint16_t last)
{
	struct port_list list;

	if (reserved_read(&list) < 0)
		return;
	port_list_set(&list, first, last, false);
	reserved_write(&list);
}

/* --- findings --------------------------------------------------------------------------------- */

static int add(struct host_findings *findings, bool harmful, const char *what, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int add(struct host_findings *findings, bool harmful, const char *what, const char *format, ...)
{
	struct host_finding finding = { .harmful = harmful };
	va_list arguments;
	int r = array_reserve(findings->items, findings->n, findings->capacity);

	if (r < 0)
		return r;
	snprintf(finding.what, sizeof(finding.what), "%s", what);
	va_start(arguments, format);
	vsnprintf(finding.found, sizeof(finding.found), format, arguments);
	va_end(arguments);
	findings->items[findings->n++] = finding;
	return 0;
}

static int find_forwarding(struct host_findings *findings)
{
	int r = 0;

	if (sysctl_number("net/ipv4/ip_forward") == 0)
		r = add(findings, true, "net.ipv4.ip_forward",
			"0: packets to local pods, and their replies, are not forwarded");
	if (r == 0 && sysctl_number("net/ipv6/conf/all/forwarding") == 0)
		r = add(findings, true, "net.ipv6.conf.all.forwarding",
			"0: packets to local IPv6 pods, and their replies, are not forwarded");
	return r;
}

/* The kernel takes the larger of `all` and the interface's own. */
static int find_rp_filter(const struct host_facts *facts, struct host_findings *findings)
{
	long all = sysctl_number("net/ipv4/conf/all/rp_filter");
	int r = 0;

	for (size_t i = 0; r == 0 && i < facts->n_interfaces; i++) {
		const char *name = facts->interfaces[i].name;
		char sysctl[96], what[48];
		long own;

		if (strchr(name, '/'))
			continue;
		snprintf(sysctl, sizeof(sysctl), "net/ipv4/conf/%s/rp_filter", name);
		own = sysctl_number(sysctl);
		if ((own > all ? own : all) != 1)
			continue;
		snprintf(what, sizeof(what), "net.ipv4.conf.%s.rp_filter", name);
		r = add(findings, facts->n_interfaces > 1, what, "1 (strict): %s",
			facts->n_interfaces > 1 ? "a client whose route leaves by another uplink is dropped "
						  "by the kernel; 2 (loose) serves it"
						: "fine with one uplink");
	}
	return r;
}

static int find_ports(const struct host_facts *facts, struct host_findings *findings)
{
	uint16_t first = facts->snat_port_first, last = facts->snat_port_last;
	struct port_list list;
	bool reserved;

	if (!first)
		return 0;
	reserved = reserved_read(&list) == 0 &&
		   port_list_count(&list, first, last) == (size_t)(last - first + 1);
	if (!reserved)
		return add(
			findings, true, "net.ipv4.ip_local_reserved_ports",
			"%u-%u is not in it: connections of this host and SNATed flows may meet on one port",
			first, last);
	return add(findings, false, "net.ipv4.ip_local_reserved_ports", "%u-%u, the SNAT ports: %s", first,
		   last, facts->reserved_by_us ? "added by lbagent" : "reserved");
}

static int find_bpf(struct host_findings *findings)
{
	int r = 0;

	if (sysctl_number("net/core/bpf_jit_enable") == 0)
		r = add(findings, true, "net.core.bpf_jit_enable",
			"0: programs are interpreted, many times slower");
	if (r == 0 && sysctl_number("kernel/bpf_stats_enabled") > 0)
		r = add(findings, false, "kernel.bpf_stats_enabled", "1: costs some 80 ns for each packet");
	return r;
}

static int find_next_hops(const struct next_hop_summary *summary, struct host_findings *findings)
{
	char text[ADDR_TEXT_MAX];

	if (!summary->unresolved_backends)
		return 0;
	return add(findings, true, "next hops", "%zu of %zu remote backends have none: %s %s %s",
		   summary->unresolved_backends, summary->backends,
		   summary->no_route ? "no route to" : "neighbour", addr_format(&summary->example, text),
		   summary->no_route ? "" : "does not answer");
}

int host_read_findings(const struct host_facts *facts, struct host_findings *findings)
{
	int r;

	findings->n = 0;
	r = find_forwarding(findings);
	if (r == 0)
		r = find_rp_filter(facts, findings);
	if (r == 0)
		r = find_ports(facts, findings);
	if (r == 0)
		r = find_bpf(findings);
	return r == 0 ? find_next_hops(&facts->next_hops, findings) : r;
}
