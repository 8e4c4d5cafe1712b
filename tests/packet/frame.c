// SPDX-License-Identifier: Apache-2.0
/* Building and printing frames; see frame.h. */
#include "tests/packet/frame.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer {
	uint8_t *bytes;
	size_t n;
};

static void put(struct writer *w, const void *bytes, size_t n)
{
	if (w->n + n > FRAME_MAX)
		abort();
	memcpy(w->bytes + w->n, bytes, n);
	w->n += n;
}

static void put8(struct writer *w, unsigned value)
{
	put(w, &(uint8_t){ (uint8_t)value }, 1);
}

static void put16(struct writer *w, unsigned value)
{
	put8(w, value >> 8);
	put8(w, value);
}

static void put32(struct writer *w, uint32_t value)
{
	put16(w, value >> 16);
	put16(w, value & 0xffff);
}

static void set16(struct writer *w, size_t at, unsigned value)
{
	w->bytes[at] = (uint8_t)(value >> 8);
	w->bytes[at + 1] = (uint8_t)value;
}

int address_bytes(const char *text, uint8_t bytes[static 16])
{
	memset(bytes, 0, 16);
	if (inet_pton(AF_INET, text, bytes) == 1)
		return 4;
	if (inet_pton(AF_INET6, text, bytes) == 1)
		return 6;
	fprintf(stderr, "not an address: %s\n", text);
	abort();
}

void mac_bytes(const char *text, uint8_t mac[static 6])
{
	unsigned b[6];

	if (sscanf(text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6)
		abort();
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
}

/* The Internet checksum of RFC 1071, byte by byte. */
static uint32_t sum_bytes(uint32_t sum, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

static unsigned sum_finish(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* L4 from `at` on, with the pseudo-header; icmp: IPv4's has none. */
static unsigned l4_sum(const struct writer *w, size_t at, const struct frame *f, int family,
		       unsigned protocol)
{
	uint8_t src[16], dst[16];
	uint32_t sum = 0;

	address_bytes(f->src, src);
	address_bytes(f->dst, dst);
	if (protocol != ICMP) {
		sum = sum_bytes(sum, src, family == 4 ? 4 : 16);
		sum = sum_bytes(sum, dst, family == 4 ? 4 : 16);
		sum += protocol + (uint32_t)(w->n - at);
	}
	return sum_finish(sum_bytes(sum, w->bytes + at, w->n - at));
}

static void put_payload(struct writer *w, const struct frame *f)
{
	const char *text = f->payload ? f->payload : "";
	size_t length = strlen(text), n = f->payload_size ? f->payload_size : length;

	for (size_t i = 0; i < n; i++)
		put8(w, length ? (uint8_t)text[i % length] : (uint8_t)i);
}

static void put_tcp(struct writer *w, const struct frame *f)
{
	put16(w, f->sport);
	put16(w, f->dport);
	put32(w, f->seq);
	put32(w, f->ack);
	put8(w, (f->doff ? f->doff : 5u + f->tcp_options / 4) << 4);
	put8(w, f->flags);
	put16(w, f->no_window ? 0 : f->window ? f->window : 1000);
	put32(w, 0);
	for (int i = 0; i < f->tcp_options; i++)
		put8(w, 1);
	put_payload(w, f);
}

static void put_udp(struct writer *w, const struct frame *f)
{
	size_t at = w->n;

	put16(w, f->sport);
	put16(w, f->dport);
	put32(w, 0);
	put_payload(w, f);
	set16(w, at + 4, (unsigned)((int)(w->n - at) + f->udp_delta));
}

static size_t put_ip(struct writer *w, const struct frame *f);

static void put_icmp(struct writer *w, const struct frame *f)
{
	put8(w, f->type);
	put8(w, f->code);
	put16(w, 0);
	put32(w, f->rest);
	if (f->quote) {
		uint8_t inner[FRAME_MAX];
		struct writer q = { inner, 0 };

		put_ip(&q, f->quote);
		put(w, inner, f->quote_size && f->quote_size < q.n ? f->quote_size : q.n);
	}
	put_payload(w, f);
}

static void put_l4(struct writer *w, const struct frame *f, int family)
{
	unsigned protocol = f->protocol ? f->protocol : TCP, sum;
	size_t at = w->n, sum_at = 0;

	switch (protocol) {
	case TCP:
		put_tcp(w, f);
		sum_at = at + 16;
		break;
	case UDP:
		put_udp(w, f);
		sum_at = f->no_sum ? 0 : at + 6;
		break;
	case ICMP:
	case ICMP6:
		put_icmp(w, f);
		sum_at = at + 2;
		break;
	default:
		put_payload(w, f);
	}
	if (!sum_at)
		return;
	sum = l4_sum(w, at, f, family, protocol);
	if (protocol == UDP && !sum)
		sum = 0xffff;
	if (f->bad_sum)
		sum = (sum % 0xfffe) + 1;
	set16(w, sum_at, sum);
}

static void put_ip4(struct writer *w, const struct frame *f)
{
	uint8_t src[16], dst[16];
	size_t at = w->n, header = 20u + f->ip_options;

	address_bytes(f->src, src);
	address_bytes(f->dst, dst);
	put8(w, (f->version ? f->version : 4u) << 4 | (f->ihl ? f->ihl : header / 4));
	put8(w, f->tos);
	put16(w, 0);
	put16(w, f->id);
	put16(w, f->fragment | (f->df ? 0x4000 : 0));
	put8(w, f->ttl ? f->ttl : 64);
	put8(w, f->protocol ? f->protocol : TCP);
	put16(w, 0);
	put(w, src, 4);
	put(w, dst, 4);
	for (int i = 0; i < f->ip_options; i++)
		put8(w, 1);
	put_l4(w, f, 4);
	set16(w, at + 2, (unsigned)((int)(w->n - at) + f->total_delta));
	set16(w, at + 10, sum_finish(sum_bytes(0, w->bytes + at, header)));
}

/* Extension headers of 8 bytes each, then a fragment header if asked for; returns what the last one must
 * name. */
static void put_extensions(struct writer *w, const struct frame *f, size_t next_at)
{
	for (const uint8_t *e = f->extensions; e && *e; e++) {
		unsigned header = *e == 0xff ? 0 : *e;

		w->bytes[next_at] = (uint8_t)header;
		next_at = w->n;
		put8(w, 0);
		put8(w, 0);
		put8(w, header == 43 ? 4 : 1); /* routing type, or PadN of 4 */
		put8(w, header == 43 ? f->routing_left : 4);
		put32(w, 0);
	}
	if (f->fragment) {
		w->bytes[next_at] = 44;
		next_at = w->n;
		put16(w, 0);
		put16(w, f->fragment);
		put32(w, 7);
	}
	w->bytes[next_at] = f->protocol ? f->protocol : TCP;
}

static void put_ip6(struct writer *w, const struct frame *f)
{
	uint8_t src[16], dst[16];
	size_t at = w->n;

	address_bytes(f->src, src);
	address_bytes(f->dst, dst);
	put32(w, (f->version ? f->version : 6u) << 28 | (uint32_t)f->tos << 20);
	put16(w, 0);
	put8(w, 0);
	put8(w, f->ttl ? f->ttl : 64);
	put(w, src, 16);
	put(w, dst, 16);
	put_extensions(w, f, at + 6);
	put_l4(w, f, 6);
	set16(w, at + 4, (unsigned)((int)(w->n - at - 40) + f->total_delta));
}

static size_t put_ip(struct writer *w, const struct frame *f)
{
	uint8_t bytes[16];

	if (address_bytes(f->src, bytes) == 4)
		put_ip4(w, f);
	else
		put_ip6(w, f);
	return w->n;
}

size_t frame_build(const struct frame *f, uint8_t frame[static FRAME_MAX])
{
	struct writer w = { frame, 0 };
	uint8_t mac[6], bytes[16];

	memset(frame, 0, FRAME_MAX);
	mac_bytes(f->dst_mac ? f->dst_mac : MAC_NODE, mac);
	put(&w, mac, 6);
	mac_bytes(f->src_mac ? f->src_mac : MAC_ROUTER, mac);
	put(&w, mac, 6);
	if (f->vlan) {
		put16(&w, 0x8100);
		put16(&w, f->vlan);
	}
	put16(&w, address_bytes(f->src, bytes) == 4 ? 0x0800 : 0x86dd);
	put_ip(&w, f);
	for (size_t i = 0; i < f->pad; i++)
		put8(&w, 0);
	return f->cut && f->cut < w.n ? f->cut : w.n;
}

static void print_hex(const char *name, const uint8_t *bytes, size_t n, size_t mark)
{
	fprintf(stderr, "  %s, %zu bytes\n", name, n);
	for (size_t line = 0; line < n; line += 16) {
		fprintf(stderr, "    %04zx ", line);
		for (size_t i = line; i < line + 16 && i < n; i++)
			fprintf(stderr, i == mark ? "[%02x]" : " %02x ", bytes[i]);
		fputc('\n', stderr);
	}
}

void frame_print_difference(const char *what, const uint8_t *expected, size_t n_expected,
			    const uint8_t *found, size_t n_found)
{
	size_t at = 0;

	while (at < n_expected && at < n_found && expected[at] == found[at])
		at++;
	fprintf(stderr, "%s: first difference at byte %zu\n", what, at);
	print_hex("expected", expected, n_expected, at);
	print_hex("found", found, n_found, at);
}
