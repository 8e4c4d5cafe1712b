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

/* What a step is broken by stands there too: said again as the message it is. */
static void print_problems(const struct json *problems)
{
	const struct json *problem;

	if (!problems || problems->type != JSON_ARRAY || !problems->n)
		return;
	printf("\n");
	for (problem = problems->child; problem; problem = problem->next) {
		const struct json *field = json_member(problem, "field"),
				  *message = json_member(problem, "message");

		if (field && field->text && message && message->text)
			printf("problem: %s%s%s\n", field->text, *field->text ? ": " : "", message->text);
	}
}

int command_why(int argc, char **argv)
{
	cleanup(live_done) struct live live = { 0 };
	const struct json *broken, *note;
	struct service_name name;
	bool as_text;
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
	as_text = live.output == OUTPUT_AS_TEXT || live.output == OUTPUT_AS_WIDE;
	if (as_text)
		print_problems(json_member(live.document.first, "problems"));
	note = json_member(live.document.first, "note");
	if (note && note->text && *note->text && as_text)
		printf("\n%s: the objects above are those of then\n", note->text);
	broken = json_member(live.document.first, "broken");
	if (!broken || !broken->text || !*broken->text)
		return LBCTL_FINE;
	if (as_text)
		printf("\nfirst broken step: %s\n", broken->text);
	return LBCTL_NOT_FINE;
}
