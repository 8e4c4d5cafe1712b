// SPDX-License-Identifier: Apache-2.0
/* IP addresses as values: see addr.h. */
#include "userspace/base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/parse.h"

int addr_parse(const char *text, struct addr *ret)
{
	struct addr addr = { 0 };

	if (inet_pton(AF_INET, text, addr.bytes) == 1) {
		addr.family = ADDR_IPV4;
	} else {
		memset(addr.bytes, 0, sizeof(addr.bytes));
		if (inet_pton(AF_INET6, text, addr.bytes) != 1)
			return -EINVAL;
		addr.family = ADDR_IPV6;
	}
	*ret = addr;
	return 0;
}

/* The longest run of zero groups, the first of equal ones; none of a single group (RFC 5952, 4.2). */
static void longest_zeros(const uint8_t bytes[static 16], unsigned *ret_first, unsigned *ret_n)
{
	unsigned i, run = 0;

	*ret_first = 8;
	*ret_n = 1;
	for (i = 0; i < 8; i++) {
		run = bytes[2 * i] || bytes[2 * i + 1] ? 0 : run + 1;
		if (run > *ret_n) {
			*ret_n = run;
			*ret_first = i + 1 - run;
		}
	}
}

/* inet_ntop() writes the last four bytes of ::/96 as dotted quad: "::1:5" would come out as "::0.1.0.5". RFC
 * 5952 (5) wants that only for prefixes that are known to carry an IPv4 address. */
static void format_v6(const uint8_t bytes[static 16], char buffer[static ADDR_TEXT_MAX])
{
	unsigned i, zeros, n_zeros;
	char *p = buffer;

	longest_zeros(bytes, &zeros, &n_zeros);
	for (i = 0; i < 8; i++) {
		if (i == zeros) {
			p = stpcpy(p, "::");
			i += n_zeros - 1;
			continue;
		}
		if (i && p[-1] != ':')
			*p++ = ':';
		p += snprintf(p, (size_t)(buffer + ADDR_TEXT_MAX - p), "%x",
			      bytes[2 * i] << 8 | bytes[2 * i + 1]);
	}
}

int addr_port_parse(const char *text, struct addr *ret_addr, uint16_t *ret_port)
{
	const char *colon = strrchr(text, ':'), *begin = text, *end = colon;
	char host[ADDR_TEXT_MAX];
	struct addr addr;
	uint64_t port;

	if (!colon || colon == text)
		return -EINVAL;
	if (*begin == '[' && end[-1] == ']') {
		begin++;
		end--;
	} else if (memchr(text, ':', (size_t)(colon - text))) {
		return -EINVAL; /* an IPv6 address needs its brackets */
	}
	if (end < begin || (size_t)(end - begin) >= sizeof(host))
		return -EINVAL;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	if (addr_parse(host, &addr) < 0 || (begin != text) != (addr.family == ADDR_IPV6) ||
	    parse_number(colon + 1, 1, UINT16_MAX, &port) < 0)
		return -EINVAL;
	*ret_addr = addr;
	*ret_port = (uint16_t)port;
	return 0;
}

char *addr_format(const struct addr *addr, char buffer[static ADDR_TEXT_MAX])
{
	const uint8_t *b = addr->bytes;

	if (addr->family == ADDR_IPV4)
		snprintf(buffer, ADDR_TEXT_MAX, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
	else if (addr->family == ADDR_IPV6 && addr_is_v4_mapped(addr))
		snprintf(buffer, ADDR_TEXT_MAX, "::ffff:%u.%u.%u.%u", b[12], b[13], b[14], b[15]);
	else if (addr->family == ADDR_IPV6)
		format_v6(b, buffer);
	else
		strcpy(buffer, "-");
	return buffer;
}

int addr_compare(const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return addr_compare(a, b) == 0;
}

unsigned addr_bits(const struct addr *addr)
{
	return addr->family == ADDR_IPV4 ? 32 : addr->family == ADDR_IPV6 ? 128 : 0;
}

struct addr addr_v4(uint32_t host_order)
{
	return addr_from_number(ADDR_IPV4, host_order);
}

addr_number addr_to_number(const struct addr *addr)
{
	addr_number number = 0;
	unsigned i;

	for (i = 0; i < addr_bits(addr) / 8; i++)
		number = number << 8 | addr->bytes[i];
	return number;
}

struct addr addr_from_number(enum addr_family family, addr_number number)
{
	struct addr addr = { .family = (uint8_t)family };
	unsigned i, n = addr_bits(&addr) / 8;

	for (i = n; i-- > 0; number >>= 8)
		addr.bytes[i] = (uint8_t)number;
	return addr;
}

static bool all_zero(const uint8_t *bytes, size_t n)
{
	while (n--)
		if (bytes[n])
			return false;
	return true;
}

bool addr_is_unspecified(const struct addr *addr)
{
	return all_zero(addr->bytes, sizeof(addr->bytes));
}

bool addr_is_loopback(const struct addr *addr)
{
	if (addr->family == ADDR_IPV4)
		return addr->bytes[0] == 127;
	return all_zero(addr->bytes, 15) && addr->bytes[15] == 1;
}

bool addr_is_link_local(const struct addr *addr)
{
	if (addr->family == ADDR_IPV4)
		return addr->bytes[0] == 169 && addr->bytes[1] == 254;
	return addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80;
}

bool addr_is_multicast(const struct addr *addr)
{
	if (addr->family == ADDR_IPV4)
		return (addr->bytes[0] & 0xf0) == 0xe0;
	return addr->bytes[0] == 0xff;
}

bool addr_is_reserved(const struct addr *addr)
{
	if (addr->family != ADDR_IPV4 || addr_is_unspecified(addr))
		return false;
	return addr->bytes[0] >= 240 || addr->bytes[0] == 0;
}

bool addr_is_v4_mapped(const struct addr *addr)
{
	return addr->family == ADDR_IPV6 && all_zero(addr->bytes, 10) && addr->bytes[10] == 0xff &&
	       addr->bytes[11] == 0xff;
}

const char *addr_why_unusable(const struct addr *addr)
{
	if (addr_is_unspecified(addr))
		return "unspecified";
	if (addr_is_loopback(addr))
		return "loopback";
	if (addr_is_link_local(addr))
		return "link-local";
	if (addr_is_multicast(addr))
		return "multicast";
	if (addr_is_reserved(addr))
		return "reserved";
	if (addr_is_v4_mapped(addr))
		return "IPv4-mapped";
	return NULL;
}

int prefix_parse(const char *text, struct prefix *ret)
{
	const char *slash = strchr(text, '/');
	char address[ADDR_TEXT_MAX];
	struct prefix prefix;
	uint64_t length;

	if (!slash || (size_t)(slash - text) >= sizeof(address) || (slash[1] == '0' && slash[2]))
		return -EINVAL;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = 0;
	if (addr_parse(address, &prefix.addr) < 0 ||
	    parse_number(slash + 1, 0, addr_bits(&prefix.addr), &length) < 0)
		return -EINVAL;
	prefix.length = (uint8_t)length;
	*ret = prefix;
	return 0;
}

char *prefix_format(const struct prefix *prefix, char buffer[static PREFIX_TEXT_MAX])
{
	char address[ADDR_TEXT_MAX];

	snprintf(buffer, PREFIX_TEXT_MAX, "%s/%u", addr_format(&prefix->addr, address), prefix->length);
	return buffer;
}

struct prefix prefix_mask(const struct prefix *prefix)
{
	struct prefix masked = *prefix;
	unsigned i, bit = prefix->length;

	for (i = 0; i<sizeof(masked.addr.bytes); i++, bit = bit> 8 ? bit - 8 : 0)
		if (bit < 8)
			masked.addr.bytes[i] &= (uint8_t)(0xff00 >> bit);
	return masked;
}

struct prefix prefix_host(const struct addr *addr)
{
	return (struct prefix){ .addr = *addr, .length = (uint8_t)addr_bits(addr) };
}

int prefix_compare(const struct prefix *a, const struct prefix *b)
{
	int order = addr_compare(&a->addr, &b->addr);

	if (order)
		return order;
	return (a->length > b->length) - (a->length < b->length);
}

static int compare_prefixes(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

void prefixes_sort(struct prefix *prefixes, size_t n)
{
	if (n)
		qsort(prefixes, n, sizeof(*prefixes), compare_prefixes);
}

bool prefix_contains(const struct prefix *prefix, const struct addr *addr)
{
	struct prefix candidate = { .addr = *addr, .length = prefix->length }, wanted = prefix_mask(prefix);

	if (addr->family != prefix->addr.family)
		return false;
	candidate = prefix_mask(&candidate);
	return addr_equal(&candidate.addr, &wanted.addr);
}

bool prefix_covers(const struct prefix *outer, const struct prefix *inner)
{
	return inner->length >= outer->length && prefix_contains(outer, &inner->addr);
}

struct addr_range prefix_range(const struct prefix *prefix)
{
	struct prefix masked = prefix_mask(prefix);
	unsigned host_bits = addr_bits(&masked.addr) - masked.length;
	addr_number last = addr_to_number(&masked.addr);

	last |= host_bits >= 128 ? ~(addr_number)0 : ((addr_number)1 << host_bits) - 1;
	return (struct addr_range){ masked.addr, addr_from_number(masked.addr.family, last) };
}

int addr_range_parse(const char *text, struct addr_range *ret)
{
	char first[ADDR_TEXT_MAX], last[ADDR_TEXT_MAX];
	struct prefix prefix, masked;
	struct addr_range range;
	const char *dash, *end;

	if (strchr(text, '/')) {
		if (prefix_parse(text, &prefix) < 0)
			return -EINVAL;
		masked = prefix_mask(&prefix);
		*ret = prefix_range(&prefix);
		return addr_equal(&masked.addr, &prefix.addr) ? 0 : -EDOM;
	}
	dash = strchr(text, '-');
	if (!dash)
		return -EINVAL;
	for (end = dash; end > text && (end[-1] == ' ' || end[-1] == '\t'); end--)
		;
	for (dash++; *dash == ' ' || *dash == '\t'; dash++)
		;
	if ((size_t)(end - text) >= sizeof(first) || strlen(dash) >= sizeof(last))
		return -EINVAL;
	memcpy(first, text, (size_t)(end - text));
	first[end - text] = 0;
	strcpy(last, dash);
	if (addr_parse(first, &range.first) < 0 || addr_parse(last, &range.last) < 0)
		return -EINVAL;
	if (range.first.family != range.last.family || addr_compare(&range.first, &range.last) > 0)
		return -ERANGE;
	*ret = range;
	return 0;
}

bool addr_range_contains(const struct addr_range *range, const struct addr *addr)
{
	return addr->family == range->first.family && addr_compare(addr, &range->first) >= 0 &&
	       addr_compare(addr, &range->last) <= 0;
}

bool addr_range_overlaps(const struct addr_range *a, const struct addr_range *b)
{
	return a->first.family == b->first.family && addr_compare(&a->first, &b->last) <= 0 &&
	       addr_compare(&b->first, &a->last) <= 0;
}
