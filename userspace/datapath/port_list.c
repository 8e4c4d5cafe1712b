// SPDX-License-Identifier: Apache-2.0
/* Lists of ports as bits. */
#include "userspace/datapath/port_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

static bool has(const struct port_list *list, unsigned port)
{
	return list->words[port / 64] >> (port % 64) & 1;
}

/* One item of the list: "80" or "8000-9000". */
static int item_parse(char *item, uint16_t *ret_first, uint16_t *ret_last)
{
	char *dash = strchr(item, '-');
	uint64_t first, last;

	if (dash)
		*dash = '\0';
	if (parse_number(item, 0, UINT16_MAX, &first) < 0 ||
	    parse_number(dash ? dash + 1 : item, first, UINT16_MAX, &last) < 0)
		return -EINVAL;
	*ret_first = first;
	*ret_last = last;
	return 0;
}

int port_list_parse(const char *text, struct port_list *ret)
{
	cleanup(freep) char *copy = strdup(text);
	struct port_list list = { 0 };
	char *rest = NULL;

	if (!copy)
		return -ENOMEM;
	for (char *item = strtok_r(copy, ", \t\n", &rest); item; item = strtok_r(NULL, ", \t\n", &rest)) {
		uint16_t first, last;

		if (item_parse(item, &first, &last) < 0)
			return -EINVAL;
		port_list_set(&list, first, last, true);
	}
	*ret = list;
	return 0;
}

void port_list_print(const struct port_list *list, struct strbuf *ret)
{
	for (unsigned first = 0, last; first <= UINT16_MAX; first = last + 1) {
		last = first;
		if (!has(list, first))
			continue;
		while (last < UINT16_MAX && has(list, last + 1))
			last++;
		strbuf_appendf(ret, "%s%u", ret->length ? "," : "", first);
		if (last > first)
			strbuf_appendf(ret, "-%u", last);
	}
}

size_t port_list_count(const struct port_list *list, uint16_t first, uint16_t last)
{
	size_t n = 0;

	for (unsigned port = first; port <= last; port++)
		n += has(list, port);
	return n;
}

void port_list_set(struct port_list *list, uint16_t first, uint16_t last, bool value)
{
	for (unsigned port = first; port <= last; port++) {
		uint64_t bit = 1ull << (port % 64);

		if (value)
			list->words[port / 64] |= bit;
		else
			list->words[port / 64] &= ~bit;
	}
}
