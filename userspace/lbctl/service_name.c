// SPDX-License-Identifier: Apache-2.0
/* The argument of `svc show` and `why`: see service_name.h. */
#include "userspace/lbctl/service_name.h"

#include <string.h>

struct parsed {
	struct live *live;
	struct service_name name;
};

static const struct argp_option options[] = {
	{ "namespace", 'n', "NS", 0, "the Service's namespace, where the name alone is not unique", 0 },
	{ 0 },
};

static char *skip_prefix(char *text, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(text, prefix, length) ? text : text + length;
}

static void split(struct argp_state *state, char *argument, struct service_name *name)
{
	char *rest = skip_prefix(skip_prefix(argument, "service/"), "svc/"), *slash = strchr(rest, '/');

	if (slash) {
		*slash = '\0';
		name->namespace = rest;
		rest = slash + 1;
	}
	if (!*rest || strchr(rest, '/'))
		argp_error(state, "a Service is NAME or NAMESPACE/NAME");
	name->name = rest;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct parsed *parsed = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = parsed->live;
		return 0;
	case 'n':
		parsed->name.namespace = argument;
		return 0;
	case ARGP_KEY_ARG:
		if (parsed->name.name)
			argp_error(state, "one Service at a time");
		split(state, argument, &parsed->name);
		return 0;
	case ARGP_KEY_END:
		if (!parsed->name.name)
			argp_error(state, "which Service? NAME or NAMESPACE/NAME");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void service_name_parse(int argc, char **argv, const char *doc, struct live *live, struct service_name *ret)
{
	const struct argp_child children[] = { { &live_argp, 0, NULL, 0 }, { 0 } };
	const struct argp argp = { .options = options, .parser = parse, .args_doc = "[svc/]NAME", .doc = doc,
				   .children = children };
	struct parsed parsed = { .live = live };

	argp_parse(&argp, argc, argv, 0, NULL, &parsed);
	*ret = parsed.name;
}
