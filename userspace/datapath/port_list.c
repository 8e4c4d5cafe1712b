// SPDX-License-Identifier: Apache-2.0
/* The kernel's list of ports ("80,8000-9000") with a range united in (PURE). */
#include "userspace/datapath/port_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/parse.h"

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

int port_list_unite(const char *list, uint16_t first, uint16_t last, struct strbuf *ret_list,
		    bool *ret_covered)
{
	cleanup(strbuf_done) struct strbuf united = { 0 };
	cleanup(freep) char *copy = strdup(list);
	bool covered = false;
	char *rest = NULL;

	if (!copy)
		return -ENOMEM;
	for (char *item = strtok_r(copy, ", \t", &rest); item; item = strtok_r(NULL, ", \t", &rest)) {
		uint16_t from, to;

		if (item_parse(item, &from, &to) < 0)
			return -EINVAL;
		covered |= from <= first && last <= to; /* the kernel prints ranges merged */
		strbuf_appendf(&united, "%s%u-%u", united.length ? "," : "", from, to);
	}
	if (!covered)
		strbuf_appendf(&united, "%s%u-%u", united.length ? "," : "", first, last);
	if (strbuf_failed(&united))
		return -ENOMEM;
	strbuf_done(ret_list);
	*ret_list = united;
	united = (struct strbuf){ 0 };
	*ret_covered = covered;
	return 0;
}
