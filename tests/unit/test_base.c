// SPDX-License-Identifier: Apache-2.0
/* The base library: addresses, numbers, names, text, memory. What it refuses matters as much as what it takes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "userspace/base/addr.h"
#include "userspace/base/arena.h"
#include "userspace/base/array.h"
#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"
#include "userspace/base/sorted.h"
#include "userspace/base/strbuf.h"

/* --- addr --------------------------------------------------------------------------------------------------------- */

static void test_addr_text(void **state _unused_)
{
	static const struct {
		const char *text, *printed; /* printed NULL: refused */
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "1::", "1::" },
		/* RFC 5952: the longest run of zeros, the first of equal ones, never a single one */
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0" },
		{ "0:2:3:4:5:6:0:0", "0:2:3:4:5:6::" },
		{ "2001:0db8::000a", "2001:db8::a" },
		/* dotted only where the prefix says that an IPv4 address is inside */
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.1" },
		{ "::ffff:c000:201", "::ffff:192.0.2.1" },
		{ "::192.0.2.1", "::c000:201" },
		{ "::1:5", "::1:5" },
		{ "64:ff9b::192.0.2.1", "64:ff9b::c000:201" },
		{ "", NULL },
		{ "192.0.2", NULL },
		{ "192.0.2.256", NULL },
		{ "192.0.2.01", NULL },
		{ "0xc0.0.2.1", NULL },
		{ "3221225985", NULL },
		{ " 192.0.2.1", NULL },
		{ "192.0.2.1 ", NULL },
		{ "192.0.2.1\n", NULL },
		{ "192.0.2.1/32", NULL },
		{ "192.0.2.1.1", NULL },
		{ "fe80::1%eth0", NULL },
		{ "1::2::3", NULL },
		{ "1:2:3:4:5:6:7", NULL },
		{ "1:2:3:4:5:6:7:8:9", NULL },
		{ "12345::", NULL },
		{ ":1::", NULL },
		{ "[::1]", NULL },
		{ "g::", NULL },
	};
	char text[ADDR_TEXT_MAX];
	struct addr addr, again;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = addr_parse(rows[i].text, &addr);

		if (r != (rows[i].printed ? 0 : -EINVAL))
			fail_msg("\"%s\": %d", rows[i].text, r);
		if (r < 0)
			continue;
		assert_string_equal(addr_format(&addr, text), rows[i].printed);
		assert_int_equal(addr_parse(text, &again), 0);
		assert_true(addr_equal(&addr, &again));
	}
	assert_string_equal(addr_format(&(struct addr){ 0 }, text), "-");
}

static struct addr parsed(const char *text)
{
	struct addr addr = { 0 };

	if (addr_parse(text, &addr) < 0)
		fail_msg("test data: %s", text);
	return addr;
}

static void test_addr_order_and_numbers(void **state _unused_)
{
	static const char *const sorted[] = { "0.0.0.1", "9.0.0.0", "10.0.0.0", "255.0.0.0", "::", "::1", "2::", "ff00::" };
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(sorted); i++)
		for (j = 0; j < ARRAY_SIZE(sorted); j++) {
			struct addr a = parsed(sorted[i]), b = parsed(sorted[j]), back;
			int order = addr_compare(&a, &b);

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
			assert_int_equal(addr_equal(&a, &b), i == j);
			back = addr_from_number(a.family, addr_to_number(&a));
			assert_true(addr_equal(&a, &back));
		}
	assert_true(addr_to_number(&(struct addr){ 0 }) == 0);
}

static void test_addr_kinds(void **state _unused_)
{
	static const struct {
		const char *text, *unusable;
	} rows[] = {
		{ "192.0.2.1", NULL },		{ "10.0.0.0", NULL },	    { "0.0.0.0", "unspecified" },
		{ "0.1.2.3", "reserved" },	{ "127.9.9.9", "loopback" }, { "128.0.0.1", NULL },
		{ "169.254.0.1", "link-local" }, { "169.253.0.1", NULL },    { "223.255.255.255", NULL },
		{ "224.0.0.1", "multicast" },	{ "239.9.9.9", "multicast" }, { "240.0.0.1", "reserved" },
		{ "255.255.255.255", "reserved" }, { "::", "unspecified" },  { "::1", "loopback" },
		{ "::2", NULL },		{ "fe80::1", "link-local" }, { "febf::1", "link-local" },
		{ "fec0::1", NULL },		{ "ff02::1", "multicast" },  { "::ffff:1.2.3.4", "IPv4-mapped" },
		{ "2001:db8::1", NULL },	{ "fd00::1", NULL },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct addr addr = parsed(rows[i].text);

		if (!text_equal(addr_why_unusable(&addr), rows[i].unusable))
			fail_msg("%s: %s", rows[i].text, addr_why_unusable(&addr));
	}
}

static void test_prefix(void **state _unused_)
{
	static const struct {
		const char *text, *masked; /* NULL: refused */
	} rows[] = {
		{ "192.0.2.77/24", "192.0.2.0/24" }, { "192.0.2.77/32", "192.0.2.77/32" }, { "192.0.2.77/0", "0.0.0.0/0" },
		{ "192.0.2.77/27", "192.0.2.64/27" }, { "2001:db8::ff/121", "2001:db8::80/121" }, { "2001:db8::1/128", "2001:db8::1/128" },
		{ "2001:db8::1/0", "::/0" },	     { "192.0.2.1/33", NULL },	{ "2001:db8::/129", NULL },
		{ "192.0.2.1", NULL },		     { "192.0.2.1/", NULL },	{ "/24", NULL },
		{ "192.0.2.1/-1", NULL },	     { "192.0.2.1/024", NULL }, { "192.0.2.1/24 ", NULL },
		{ "192.0.2.1/24/24", NULL },	     { "192.0.2.1/255.255.255.0", NULL },
	};
	char text[PREFIX_TEXT_MAX];
	struct prefix prefix, masked;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = prefix_parse(rows[i].text, &prefix);

		if (r != (rows[i].masked ? 0 : -EINVAL))
			fail_msg("\"%s\": %d", rows[i].text, r);
		if (r < 0)
			continue;
		masked = prefix_mask(&prefix);
		assert_string_equal(prefix_format(&masked, text), rows[i].masked);
		assert_true(prefix_contains(&prefix, &prefix.addr));
		assert_true(prefix_covers(&prefix, &masked));
	}
}

static void test_prefix_relations(void **state _unused_)
{
	static const struct {
		const char *outer, *inner;
		bool covers;
	} rows[] = {
		{ "10.0.0.0/8", "10.255.0.0/16", true }, { "10.0.0.0/8", "11.0.0.0/16", false }, { "10.0.0.0/16", "10.0.0.0/8", false },
		{ "0.0.0.0/0", "::/0", false },		 { "::/0", "fd00::/8", true },		 { "fd00::/8", "fe00::/8", false },
		{ "10.0.0.0/8", "10.0.0.0/8", true },
	};
	struct prefix outer, inner;
	struct addr_range range;
	struct addr host;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		prefix_parse(rows[i].outer, &outer);
		prefix_parse(rows[i].inner, &inner);
		assert_int_equal(prefix_covers(&outer, &inner), rows[i].covers);
		range = prefix_range(&outer);
		assert_int_equal(addr_range_contains(&range, &inner.addr) && inner.length >= outer.length, rows[i].covers);
	}
	host = parsed("192.0.2.1");
	outer = prefix_host(&host);
	assert_int_equal(outer.length, 32);
	prefix_parse("::/0", &outer);
	range = prefix_range(&outer);
	host = parsed("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	assert_true(addr_equal(&range.last, &host));
}

static void test_ranges(void **state _unused_)
{
	static const struct {
		const char *text;
		int result;
		const char *first, *last;
	} rows[] = {
		{ "192.0.2.0/30", 0, "192.0.2.0", "192.0.2.3" },
		{ "192.0.2.5-192.0.2.9", 0, "192.0.2.5", "192.0.2.9" },
		{ "192.0.2.5 - 192.0.2.5", 0, "192.0.2.5", "192.0.2.5" },
		{ "2001:db8::-2001:db8::ffff", 0, "2001:db8::", "2001:db8::ffff" },
		{ "192.0.2.1/30", -EDOM, "192.0.2.0", "192.0.2.3" },
		{ "192.0.2.9-192.0.2.5", -ERANGE, NULL, NULL },
		{ "192.0.2.9-2001:db8::1", -ERANGE, NULL, NULL },
		{ "192.0.2.9", -EINVAL, NULL, NULL },
		{ "192.0.2.0/33", -EINVAL, NULL, NULL },
		{ "192.0.2.1-", -EINVAL, NULL, NULL },
		{ "-192.0.2.1", -EINVAL, NULL, NULL },
		{ "192.0.2.1-192.0.2.2-192.0.2.3", -EINVAL, NULL, NULL },
		{ "", -EINVAL, NULL, NULL },
	};
	char text[ADDR_TEXT_MAX];
	struct addr_range range;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = addr_range_parse(rows[i].text, &range);

		if (r != rows[i].result)
			fail_msg("\"%s\": %d", rows[i].text, r);
		if (!rows[i].first)
			continue;
		assert_string_equal(addr_format(&range.first, text), rows[i].first);
		assert_string_equal(addr_format(&range.last, text), rows[i].last);
		assert_true(addr_range_contains(&range, &range.first) && addr_range_contains(&range, &range.last));
		assert_true(addr_range_overlaps(&range, &range));
	}
}

static void test_ranges_overlap(void **state _unused_)
{
	static const struct {
		const char *a, *b;
		bool overlap;
	} rows[] = {
		{ "10.0.0.0-10.0.0.5", "10.0.0.5-10.0.0.9", true },  { "10.0.0.0-10.0.0.4", "10.0.0.5-10.0.0.9", false },
		{ "10.0.0.0/8", "10.1.0.0/16", true },		     { "0.0.0.0/0", "::/0", false },
	};
	struct addr_range a, b;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(addr_range_parse(rows[i].a, &a), 0);
		assert_int_equal(addr_range_parse(rows[i].b, &b), 0);
		assert_int_equal(addr_range_overlaps(&a, &b), rows[i].overlap);
		assert_int_equal(addr_range_overlaps(&b, &a), rows[i].overlap);
	}
}

/* --- parse -------------------------------------------------------------------------------------------------------- */

static void test_numbers(void **state _unused_)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		int result;
		uint64_t value;
	} rows[] = {
		{ "0", 0, 10, 0, 0 },
		{ "10", 0, 10, 0, 10 },
		{ "11", 0, 10, -ERANGE, 0 },
		{ "0", 1, 10, -ERANGE, 0 },
		{ "007", 0, 10, 0, 7 },
		{ "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", 0, UINT64_MAX, -ERANGE, 0 },
		{ "99999999999999999999999999999999999999", 0, UINT64_MAX, -ERANGE, 0 },
		{ "99999999999999999999999999999999999999x", 0, UINT64_MAX, -EINVAL, 0 },
		{ "", 0, 10, -EINVAL, 0 },
		{ "-1", 0, 10, -EINVAL, 0 },
		{ "+1", 0, 10, -EINVAL, 0 },
		{ " 1", 0, 10, -EINVAL, 0 },
		{ "1 ", 0, 10, -EINVAL, 0 },
		{ "0x1", 0, 10, -EINVAL, 0 },
		{ "1e1", 0, 10, -EINVAL, 0 },
		{ "1.0", 0, 10, -EINVAL, 0 },
	};
	uint64_t value;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		value = 4711;
		if (parse_number(rows[i].text, rows[i].min, rows[i].max, &value) != rows[i].result)
			fail_msg("\"%s\"", rows[i].text);
		assert_true(value == (rows[i].result ? 4711 : rows[i].value));
	}
}

static void test_dns_names(void **state _unused_)
{
	static char label63[64], label64[65];
	const struct {
		const char *text;
		bool label, subdomain;
	} rows[] = {
		{ "a", true, true },	    { "web-1", true, true },   { "1web", true, true },	 { "a.b-c.d", false, true },
		{ "", false, false },	    { "-a", false, false },    { "a-", false, false },	 { "a..b", false, false },
		{ ".a", false, false },	    { "a.", false, false },    { "a.-b", false, false }, { "a-.b", false, false },
		{ "A", false, false },	    { "a_b", false, false },   { "a/b", false, false },	 { "a b", false, false },
		{ "a\n", false, false },    { "\xc3\xa4", false, false }, { label63, true, true }, { label64, false, true },
	};
	size_t i;

	memset(label63, 'a', 63);
	memset(label64, 'a', 64);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (text_is_dns_label(rows[i].text) != rows[i].label || text_is_dns_subdomain(rows[i].text) != rows[i].subdomain)
			fail_msg("\"%s\"", rows[i].text);
}

static void test_text(void **state _unused_)
{
	assert_true(text_is_printable_ascii(""));
	assert_true(text_is_printable_ascii("a ~!"));
	assert_false(text_is_printable_ascii("a\tb"));
	assert_false(text_is_printable_ascii("a\x7f"));
	assert_false(text_is_printable_ascii("\xc3\xa4"));
	assert_true(text_equal(NULL, NULL));
	assert_false(text_equal(NULL, ""));
	assert_true(text_equal("a", "a"));
	assert_true(text_compare(NULL, "") < 0);
	assert_true(text_compare("", NULL) > 0);
	assert_int_equal(text_compare(NULL, NULL), 0);
	assert_true(text_compare("a", "b") < 0);
}

/* --- strbuf ------------------------------------------------------------------------------------------------------- */

static void test_strbuf(void **state _unused_)
{
	cleanup(strbuf_done) struct strbuf buffer = { 0 };
	char *taken;
	int i;

	assert_string_equal(strbuf_text(&buffer), "");
	for (i = 0; i < 1000; i++)
		strbuf_appendf(&buffer, "%d,", i % 10);
	assert_int_equal(buffer.length, 2000);
	assert_int_equal(strlen(strbuf_text(&buffer)), 2000);
	strbuf_reset(&buffer);
	strbuf_append(&buffer, "x");
	strbuf_append_bytes(&buffer, "yz", 1);
	assert_string_equal(strbuf_text(&buffer), "xy");
	taken = strbuf_take(&buffer);
	assert_string_equal(taken, "xy");
	free(taken);
	taken = strbuf_take(&buffer); /* an empty one gives an empty text */
	assert_string_equal(taken, "");
	free(taken);
	buffer.failed = true;
	strbuf_append(&buffer, "lost");
	assert_true(strbuf_failed(&buffer));
	assert_null(strbuf_take(&buffer));
}

static void test_escapes(void **state _unused_)
{
	static const struct {
		const char *text;
		size_t limit;
		const char *escaped;
	} rows[] = {
		{ "plain", 100, "plain" },
		{ "a\nb\x1b[0m\x7f", 100, "a\\x0ab\\x1b[0m\\x7f" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 100, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\xc2\x9b", 100, "\\xc2\\x9b" },	       /* a C1 control */
		{ "a\xe2\x80\xae" "b", 100, "a\\xe2\\x80\\xaeb" }, /* turns what follows to the left */
		{ "\xe2\x80\x8b\xe2\x81\xa6\xef\xbb\xbf", 100, "\\xe2\\x80\\x8b\\xe2\\x81\\xa6\\xef\\xbb\\xbf" },
		{ "\xe2\x80\x9c\xe2\x80\x93", 100, "\xe2\x80\x9c\xe2\x80\x93" }, /* a quotation mark and a dash are seen */
		{ "\xc0\x80", 100, "\\xc0\\x80" },	       /* overlong */
		{ "\xed\xa0\x80", 100, "\\xed\\xa0\\x80" },    /* a surrogate */
		{ "\xf4\x90\x80\x80", 100, "\\xf4\\x90\\x80\\x80" }, /* beyond U+10FFFF */
		{ "\xe2\x82", 100, "\\xe2\\x82" },	       /* cut off */
		{ "abcdef", 3, "abc..." },
		{ "ab\xc3\xa4", 3, "ab..." }, /* never half a character */
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup(strbuf_done) struct strbuf buffer = { 0 };

		strbuf_append_escaped(&buffer, rows[i].text, rows[i].limit);
		assert_string_equal(strbuf_text(&buffer), rows[i].escaped);
	}
}

/* --- arena, array ------------------------------------------------------------------------------------------------- */

static void test_arena(void **state _unused_)
{
	cleanup(arena_done) struct arena arena = { 0 };
	unsigned char *pieces[200];
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(pieces); i++) {
		pieces[i] = arena_alloc(&arena, i * 7);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
		for (j = 0; j < i * 7; j++)
			assert_int_equal(pieces[i][j], 0);
		memset(pieces[i], (int)i, i * 7);
	}
	for (i = 0; i < ARRAY_SIZE(pieces); i++)
		for (j = 0; j < i * 7; j++)
			assert_int_equal(pieces[i][j], i);
	assert_non_null(arena_alloc(&arena, 1 << 20));
	assert_null(arena_array(&arena, SIZE_MAX / 2, 16));
	assert_null(arena_alloc(&arena, SIZE_MAX - 3));
	assert_non_null(arena_array(&arena, 0, 8));
	assert_string_equal(arena_string_n(&arena, "abcdef", 3), "abc");
	assert_null(arena_string(&arena, NULL));
	arena_done(NULL);
}

static void test_arena_reserve(void **state _unused_)
{
	cleanup(arena_done) struct arena arena = { 0 };
	char *first, *piece;
	size_t i;

	arena_reserve(&arena, 1000);
	first = arena_alloc(&arena, 10);
	for (i = 1; i < 63; i++) { /* 63 pieces of 16 bytes fit into one chunk of 1000 */
		piece = arena_alloc(&arena, 10);
		assert_ptr_equal(piece, first + 16 * i);
	}
	arena_reserve(&arena, SIZE_MAX); /* a hint that cannot be followed */
	assert_non_null(arena_alloc(&arena, 10));
}

static void test_array(void **state _unused_)
{
	cleanup(freep) int *items = NULL;
	size_t n = 0, capacity = 0;

	while (n < 1000) {
		assert_int_equal(array_reserve(items, n, capacity), 0);
		items[n] = (int)n;
		n++;
	}
	assert_int_equal(items[999], 999);
	assert_true(capacity >= 1000 && capacity <= 2000);
	assert_int_equal(array_grow(&items, SIZE_MAX / 2 + 2, &capacity, sizeof(*items)), -ENOMEM);
	assert_int_equal(items[500], 500);
}

static void test_sorted_place(void **state _unused_)
{
	static const int items[] = { 2, 4, 4, 4, 7 };
	static const struct {
		int key;
		size_t n, place;
	} rows[] = {
		{ 1, 0, 0 }, { 1, 5, 0 }, { 2, 5, 0 }, { 3, 5, 1 }, { 4, 5, 1 }, { 5, 5, 4 },
		{ 7, 5, 4 }, { 8, 5, 5 }, { 2, 1, 0 }, { 3, 1, 1 }, { 4, 2, 1 }, { 5, 4, 4 },
	};

	for (size_t row = 0; row < ARRAY_SIZE(rows); row++)
		assert_int_equal(sorted_place(rows[row].n, i, items[i] < rows[row].key), rows[row].place);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addr_text),
		cmocka_unit_test(test_addr_order_and_numbers),
		cmocka_unit_test(test_addr_kinds),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_prefix_relations),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_ranges_overlap),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_dns_names),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_strbuf),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_arena),
		cmocka_unit_test(test_arena_reserve),
		cmocka_unit_test(test_array),
		cmocka_unit_test(test_sorted_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
