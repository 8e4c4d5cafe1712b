// SPDX-License-Identifier: Apache-2.0
/* lbctl why svc/NAME: the way of a Service from class to router, and the first broken step. */
#include <stdio.h>

#include "userspace/base/cleanup.h"
#include "userspace/lbctl/client.h"
#include "userspace/lbctl/lbctl.h"
#include "userspace/lbctl/live.h"
#include "userspace/lbctl/service_name.h"

static const struct column columns[] = {
	{ .title = "STEP", .member = "step" },
	{ .title = "FINE", .member = "fine", .kind = CELL_YES_NO, .good = "yes" },
	{ .title = "FOUND", .member = "text" },
};

int command_why(int argc, char **argv)
{
	cleanup(live_done) struct live live = { 0 };
	const struct json *broken, *note;
	struct service_name name;
	int code;

	service_name_parse(
		argc, argv,
		"Walks class, pool, address, endpoints, maps and announcement of a Service and names the "
		"first step that is broken (exit code 1).",
		&live, &name);
	code = live_get(&live, "/v1/why",
			(struct query[]){ { "namespace", name.namespace }, { "name", name.name } }, 2);
	if (code == LBCTL_FINE)
		code = live_print_list(&live, "steps", columns, ARRAY_SIZE(columns));
	if (code != LBCTL_FINE)
		return code;
	note = json_member(live.document.first, "note");
	if (note && note->text && *note->text && (live.output == OUTPUT_AS_TEXT || live.output == OUTPUT_AS_WIDE))
		printf("\n%s: the objects above are those of then\n", note->text);
	broken = json_member(live.document.first, "broken");
	if (!broken || !broken->text || !*broken->text)
		return LBCTL_FINE;
	if (live.output == OUTPUT_AS_TEXT || live.output == OUTPUT_AS_WIDE)
		printf("\nfirst broken step: %s\n", broken->text);
	return LBCTL_NOT_FINE;
}
