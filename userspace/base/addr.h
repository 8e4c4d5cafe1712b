/* SPDX-License-Identifier: Apache-2.0 */
/* IP addresses, prefixes and ranges of both families as plain values.
 *
 * Bytes are in network order; an IPv4 address uses the first four, the rest are zero, so that memcmp and
 * hashing of the whole struct are well defined. Parsing is strict: dotted quad without leading zeros
 * (no octal, hex, or short forms), RFC 4291 text without zone; surrounding blanks are not accepted.
 * Formatting follows RFC 5952. */
#ifndef FAIRWAY_BASE_ADDR_H
#define FAIRWAY_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum addr_family { ADDR_NONE = 0, ADDR_IPV4 = 4, ADDR_IPV6 = 6 };

struct addr {
	uint8_t family; /* enum addr_family */
	uint8_t bytes[16];
};

struct prefix {
	struct addr addr; /* host bits are zero once prefix_mask() was applied */
	uint8_t length;	  /* 0..32 or 0..128 */
};

struct addr_range {
	struct addr first, last; /* same family, first <= last, both inclusive */
};

typedef unsigned __int128 addr_number; /* an address as a number: v4 in 0..2^32-1 */

#define ADDR_TEXT_MAX	46 /* with the NUL */
#define PREFIX_TEXT_MAX 50

int addr_parse(const char *text, struct addr *ret);	/* 0 or -EINVAL */
/* "[::]:7472", "192.0.2.1:7472". 0 or -EINVAL. */
int addr_port_parse(const char *text, struct addr *ret_addr, uint16_t *ret_port);
char *addr_format(const struct addr *, char buffer[static ADDR_TEXT_MAX]); /* returns buffer */
int addr_compare(const struct addr *, const struct addr *); /* v4 before v6, then by bytes */
bool addr_equal(const struct addr *, const struct addr *);
unsigned addr_bits(const struct addr *);		    /* 32, 128, or 0 for none */
struct addr addr_v4(uint32_t host_order);
addr_number addr_to_number(const struct addr *);
struct addr addr_from_number(enum addr_family, addr_number);

bool addr_is_unspecified(const struct addr *);
bool addr_is_loopback(const struct addr *);   /* 127/8, ::1 */
bool addr_is_link_local(const struct addr *); /* 169.254/16, fe80::/10 */
bool addr_is_multicast(const struct addr *);  /* 224/4, ff00::/8 */
bool addr_is_reserved(const struct addr *);   /* 240/4 with the broadcast address, 0/8 but not 0.0.0.0 */
bool addr_is_v4_mapped(const struct addr *);  /* ::ffff:0:0/96 */
/* NULL if the address may be a VIP, else why not: "loopback", "multicast", … (a static string) */
const char *addr_why_unusable(const struct addr *);

/* "ADDRESS/LENGTH". Host bits are kept: compare with prefix_mask() to detect them. 0 or -EINVAL. */
int prefix_parse(const char *text, struct prefix *ret);
char *prefix_format(const struct prefix *, char buffer[static PREFIX_TEXT_MAX]);
struct prefix prefix_mask(const struct prefix *);
struct prefix prefix_host(const struct addr *); /* /32 or /128 */
int prefix_compare(const struct prefix *, const struct prefix *); /* by address, then length */
void prefixes_sort(struct prefix *, size_t n); /* NULL ok if n is 0 */
bool prefix_contains(const struct prefix *, const struct addr *);
bool prefix_covers(const struct prefix *outer, const struct prefix *inner);
struct addr_range prefix_range(const struct prefix *);

/* "CIDR" or "FIRST-LAST" (blanks around '-' allowed). -EINVAL: not one of them; -ERANGE: first > last or families differ;
 * -EDOM: a CIDR with host bits (*ret is then the rounded one's range). */
int addr_range_parse(const char *text, struct addr_range *ret);
bool addr_range_contains(const struct addr_range *, const struct addr *);
bool addr_range_overlaps(const struct addr_range *, const struct addr_range *);

#endif
