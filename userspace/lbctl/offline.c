// SPDX-License-Identifier: Apache-2.0
/* Common options of the offline commands, and reading their manifests directory: see offline.h. */
#include "userspace/lbctl/offline.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/parse.h"
#include "userspace/lbctl/lbctl.h"

enum { KEY_MANIFESTS = 0x100, KEY_STATUS, KEY_DEFAULT_CLASS };

static const struct argp_option options[] = {
	{ "manifests", KEY_MANIFESTS, "DIR", 0, "read *.yaml, *.yml and *.json of this directory (required)",
	  0 },
	{ "status", KEY_STATUS, "FILE", 0, "the controller's answers, merged over the directory", 0 },
	{ "default-class", KEY_DEFAULT_CLASS, NULL, 0, "Services without a loadBalancerClass are ours too",
	  0 },
	{ "output", 'o', "FORMAT", 0, "text (default) or json", 0 },
	{ 0 },
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct offline *offline = state->input;

	switch (key) {
	case KEY_MANIFESTS:
		offline->manifests = argument;
		return 0;
	case KEY_STATUS:
		offline->status = argument;
		return 0;
	case KEY_DEFAULT_CLASS:
		offline->default_class = true;
		return 0;
	case 'o':
		if (text_equal(argument, "json"))
			offline->format = OUTPUT_JSON;
		else if (text_equal(argument, "text"))
			offline->format = OUTPUT_TEXT;
		else
			argp_error(state, "unknown output format: %s (text or json)", argument);
		return 0;
	case ARGP_KEY_END:
		if (!offline->manifests)
			argp_error(state, "--manifests DIR is needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp offline_argp = { .options = options, .parser = parse };

/* An agent waits for the controller's first answers; who names a file here means one that is there. */
static int report_status(struct offline *offline)
{
	struct problems *problems = &offline->result.problems;

	if (!offline->result.statuses_missing || access(offline->status, F_OK) == 0)
		return 0;
	return problems_add(problems, offline->status, "", "%s: the manifests' own statuses are used",
			    strerror(errno));
}

int offline_open(struct offline *offline)
{
	int r = 0;

	offline->store = store_new();
	if (!offline->store)
		r = -ENOMEM;
	else
		r = manifests_read(offline->manifests, offline->status, offline->store, &offline->result);
	if (!r)
		r = report_status(offline);
	if (r < 0) {
		fprintf(stderr, "lbctl: %s: cannot be read: %s\n", offline->manifests, strerror(-r));
		return LBCTL_NOT_FINE;
	}
	for (size_t i = 0; i < offline->result.n_notices; i++)
		fprintf(stderr, "lbctl: %s\n", offline->result.notices[i]);
	return LBCTL_FINE;
}

void offline_done(struct offline *offline)
{
	source_result_done(&offline->result);
	store_free(offline->store);
	offline->store = NULL;
}
